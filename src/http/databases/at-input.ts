import * as v from "valibot";

const AT = "must be a moment in ISO 8601 with its offset, like 2026-11-20T14:03:00Z";

/** A moment as requests name it. */
export const atField = v.pipe(
  v.string(AT),
  v.check(
    (text) =>
      /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(text) &&
      !Number.isNaN(Date.parse(text)) &&
      isDay(text.slice(0, 10)),
    AT,
  ),
);

/** `Date.parse` takes the 31st of February for the 3rd of March. */
function isDay(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}
