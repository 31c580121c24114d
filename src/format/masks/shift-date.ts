import { decode, encode } from "../bytes/bytes.ts";
import type { MaskValue } from "./mask.ts";

const DATE =
  /^(\d{4})-(\d\d)-(\d\d)((?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?)$/;
const DAY = 86_400;
/** Greater whole numbers are milliseconds since 1970, others seconds. */
const MOST_SECONDS = 100_000_000_000n;
/** Smaller reals are Julian days (https://sqlite.org/lang_datefunc.html). */
const MOST_JULIAN = 10_000_000;

/**
 * Shift a date by days: a text like `2026-11-20T14:03:00Z`, whose time stays, seconds or milliseconds since
 * 1970, or a Julian day.
 *
 * @returns undefined for what is no date
 */
export function shiftDate(value: MaskValue, days: number): MaskValue | undefined {
  if (value.type === "integer") {
    const shift = BigInt(days * DAY);
    const isMs = value.value > MOST_SECONDS || value.value < -MOST_SECONDS;
    const shifted = value.value + (isMs ? shift * 1000n : shift);
    return BigInt.asIntN(64, shifted) === shifted ? { type: "integer", value: shifted } : undefined;
  }
  if (value.type === "real") {
    const shifted = value.value + (Math.abs(value.value) < MOST_JULIAN ? days : days * DAY);
    return shifted === value.value || !Number.isFinite(shifted)
      ? undefined
      : { type: "real", value: shifted };
  }
  if (value.type === "blob" || value.bytes.length > 64) return undefined;
  const [, year, month, day, time] = DATE.exec(decode(value.bytes)) ?? [];
  if (year === undefined) return undefined;
  const date = new Date(`${year}-${month!}-${day!}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  const shifted = Number.isNaN(date.getTime()) ? "" : date.toISOString();
  return /^\d{4}-/.test(shifted)
    ? { type: "text", bytes: encode(shifted.slice(0, 10) + time!) }
    : undefined;
}
