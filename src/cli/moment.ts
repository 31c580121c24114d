/** The time of a moment's last commit, as the API gives it. */
interface Dated {
  readonly committedAt: string;
  readonly uncertaintyMs: number | null;
}

/** The earliest moment at which it can have been made, ISO 8601. */
export function earliestOf({ committedAt, uncertaintyMs }: Dated): string {
  return new Date(Date.parse(committedAt) - (uncertaintyMs ?? 0)).toISOString();
}

/** The uncertainty for people, to go after a moment; nothing where there is none. */
export function uncertainty({ uncertaintyMs }: { readonly uncertaintyMs?: number | null }): string {
  return uncertaintyMs == null || uncertaintyMs === 0
    ? ""
    : ` (or up to ${uncertaintyMs / 1000} s before)`;
}
