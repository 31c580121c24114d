import * as v from "valibot";

/** Parts that many answers have. An answer may get more fields in a later version, hence no strict objects. */

/** Describe a field. */
export const said = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

export const moment = v.pipe(v.string(), v.isoTimestamp());
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

export const errorReport = v.object({
  code: said(v.string(), "Stable; docs/errors.md lists them all."),
  message: v.string(),
  hint: said(v.string(), "What to do now."),
});

export const next = said(
  v.nullable(v.string()),
  "The `cursor` of the request for the next page; null on the last.",
);

/** Texts of the examples, so that they tell of one Nightjar. */
export const SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
export const BACKUP_ID = "3k9f0xq2v7ma";
export const RUN_ID = "shop-20261120T020000Z-7h2m4c9qk1zd";
export const LINEAGE = "20261101T020014Z-5t0w8n2rj6pb";
