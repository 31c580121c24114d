/** Format a moment (ms) as `20261121T000000Z`. */
export function stamp(moment: number): string {
  return new Date(moment).toISOString().replaceAll(/[-:]|\.\d+/g, "");
}

/** Parse a stamp to ms; undefined for any other text, and for a day or an hour that does not exist. */
export function parseStamp(text: string): number | undefined {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const moment = Date.parse(iso);
  return Number.isNaN(moment) || stamp(moment) !== text ? undefined : moment;
}
