/** Say which moment a copy shows, and when it was taken if that is another second. */
export function asOfWords({ asOf, takenAt }: { asOf: string; takenAt: string | null }): string {
  const differ = takenAt !== null && takenAt.slice(0, 19) !== asOf.slice(0, 19);
  return differ ? `as of ${asOf} (its last commit; taken at ${takenAt})` : `as of ${asOf}`;
}
