/** `20261121T000000Z`, of a moment in ms. */
export function stamp(moment: number): string {
  return new Date(moment).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}
