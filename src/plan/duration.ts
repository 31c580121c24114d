const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/**
 * A month counts as 31 days and a year as 366, so that a backup kept for "12mo" is never deleted before
 * the calendar's twelve months are over.
 */
const UNITS: Record<string, number> = {
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
  mo: 31 * DAY,
  y: 366 * DAY,
};

/** Longest duration: dates would exceed their range. */
const LONGEST = 100 * 366 * DAY;

export const DURATION_FORM =
  "a whole number and a unit: s, m, h, d, w, mo or y (like 30d or 12mo), at least 1s and at most 100y";

/** Form of a duration. */
export const DURATION = /^([1-9][0-9]{0,5})(s|m|h|d|w|mo|y)$/;

/**
 * Parse a duration such as `90s`, `24h`, `30d`, `12w`, `12mo`, `1y` to milliseconds; undefined if it is
 * none.
 */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  const ms = match ? Number(match[1]) * UNITS[match[2]!]! : Infinity;
  return ms <= LONGEST ? ms : undefined;
}

const SPANS = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
] as const;

/** Format a length of time for people, in its two largest units: `3 h 12 min`. */
export function span(ms: number): string {
  let rest = Math.max(0, Math.round(ms / 1000));
  const first = SPANS.findIndex(([unit]) => rest >= unit);
  if (first === -1) return "0 s";
  const parts = SPANS.slice(first, first + 2).map(([unit, name]) => {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    return { count, name };
  });
  return parts
    .filter(({ count }) => count > 0)
    .map(({ count, name }) => `${count} ${name}`)
    .join(" ");
}
