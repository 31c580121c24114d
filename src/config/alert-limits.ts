import * as v from "valibot";
import { RULE_NAMES } from "../plan/alerts/alert.ts";
import { DURATION_FORM } from "../plan/duration.ts";
import { duration } from "./fields.ts";

const PERCENT =
  "must be two numbers from 1 to 100000, in percent: from when to warn, and from when it is critical, like [20, 50]";
const percents = v.pipe(
  v.strictTuple(
    [
      v.pipe(v.number(PERCENT), v.minValue(1, PERCENT), v.maxValue(100_000, PERCENT)),
      v.pipe(v.number(PERCENT), v.minValue(1, PERCENT), v.maxValue(100_000, PERCENT)),
    ],
    PERCENT,
  ),
  v.check(([warn, critical]) => warn <= critical, PERCENT),
);

const AGES = `must be two durations: from when to warn, and from when it is critical, like ["25h", "48h"]; each ${DURATION_FORM}`;
const ages = v.pipe(
  v.strictTuple([duration(DURATION_FORM), duration(DURATION_FORM)], AGES),
  v.check(([warn, critical]) => warn <= critical, AGES),
);

const SIZE = 'must be a size like "10GB": a whole number and MB, GB or TB';
const UNITS: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, TB: 1e12 };
const size = v.pipe(
  v.string(SIZE),
  v.regex(/^[1-9]\d{0,5} ?(MB|GB|TB)$/, SIZE),
  v.transform((text) => Number.parseInt(text, 10) * UNITS[text.slice(-2)]!),
);

const RULE = `must be a list of rules: ${RULE_NAMES.join(", ")}`;

const ENTRIES = {
  age: v.optional(ages),
  size: v.optional(percents, [20, 50]),
  rows: v.optional(percents, [20, 50]),
  log: v.optional(size, "10GB"),
  off: v.optional(v.array(v.picklist(RULE_NAMES, RULE), RULE), []),
};

export const ALERT_KEYS = Object.keys(ENTRIES);

/** When a database raises an alert. */
export const alertsSchema = v.strictObject(
  ENTRIES,
  `must be a table like { size = [20, 50], off = ["unverified"] }; keys: ${ALERT_KEYS.join(", ")}`,
);

/** Give each limit the name and unit that the rest of Nightjar uses. */
export function settleAlerts(entry: v.InferOutput<typeof alertsSchema>) {
  return {
    /** Ages of the newest backup that are late, ms; undefined for what the schedule says. */
    ageMs: entry.age,
    /** Change of the size from one backup to the next, percent. */
    sizePercent: entry.size,
    /** Rows that a table may lose from one backup to the next, percent. */
    rowsPercent: entry.rows,
    /** Bytes that the page log may take. */
    logBytes: entry.log,
    off: entry.off as readonly string[],
  };
}
