/** Return a moment (ms) as ISO 8601 in UTC; null for none. */
export function iso(moment: number): string;
export function iso(moment: number | null | undefined): string | null;
export function iso(moment: number | null | undefined): string | null {
  return moment == null ? null : new Date(moment).toISOString();
}
