import * as v from "valibot";
import { NightjarError } from "../errors/errors.ts";
import { issueKeys } from "../errors/schema-issue.ts";
import { isDatabaseName } from "../plan/names/database-name.ts";

/** Fields that documents in the bucket share. Anybody who can write to the bucket may have written them. */

export const text = v.pipe(v.string(), v.maxLength(100_000));
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
export const id = v.pipe(v.string(), v.regex(/^[0-9a-z]{12}$/));
export const databaseName = v.pipe(v.string(), v.check(isDatabaseName, "is no name of a database"));
export const lineageId = v.pipe(v.string(), v.regex(/^\d{8}T\d{6}Z-[0-9a-z]{12}$/));
export const content = v.looseObject({ bytes: count, sha256 });
/** ISO 8601 in UTC with milliseconds, as `toISOString` writes it. */
export const moment = v.pipe(
  v.string(),
  v.check((value) => {
    const at = new Date(value);
    return !Number.isNaN(at.getTime()) && at.toISOString() === value;
  }, "is no moment"),
);

/**
 * Parse a stored JSON document that must fit its schema. Fields that the schema does not name stay in
 * it, so that its text can be made again.
 *
 * @param what its name for people: "a manifest"
 * @param newest the newest version of its format that this Nightjar reads
 * @throws NightjarError `OBJECT_CORRUPT` that names the first field which does not fit
 */
export function parseDocument<T>(
  what: string,
  key: string,
  json: string,
  schema: v.GenericSchema<unknown, unknown>,
  newest = 1,
): T {
  const value = parseJson(what, key, json);
  const format = (value as { format?: unknown } | null)?.format;
  if (typeof format === "number" && format > newest)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `${key} has format ${format}; this Nightjar reads formats up to ${newest}.`,
      { hint: "A newer Nightjar wrote it: deploy that version or a later one." },
    );
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return value as T;
  const [issue] = result.issues;
  const at = issueKeys(issue).join(".") || "the whole";
  throw misfit(what, key, `${at.slice(0, 80)} ${issue.message.slice(0, 120)}`);
}

function parseJson(what: string, key: string, json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    throw misfit(what, key, "it is no JSON");
  }
}

/** Return the error for a stored document that is not what it should be. */
export function misfit(what: string, key: string, why: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `${key} is not ${what}: ${why}.`);
}
