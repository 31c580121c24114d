/** What a copy shows, and when it was taken, as far as the two differ to the second. */
export function asOfWords({ asOf, takenAt }: { asOf: string; takenAt: string | null }): string {
  const differ = takenAt !== null && takenAt.slice(0, 19) !== asOf.slice(0, 19);
  return differ ? `as of ${asOf} (its last commit; taken at ${takenAt})` : `as of ${asOf}`;
}
