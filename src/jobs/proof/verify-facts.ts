import { NightjarError } from "../../errors/errors.ts";
import type { TableCount } from "../../format/dump/inspector.ts";
import type { Meter } from "../../format/bytes/hash.ts";
import { countRows } from "../../format/tables/rows.ts";
import type { Manifest } from "../../model/manifest.ts";

/** Comparisons of what was found with the manifest; each returns what agrees, or throws `OBJECT_CORRUPT`. */

/** Compare the stored bytes and their content, by length and hash; ends the meters. */
export function sameBytes(manifest: Manifest, stored: Meter, raw: Meter): string {
  sameAs(manifest.key, "stored bytes", stored, manifest.stored);
  sameAs(manifest.key, "content", raw, manifest.raw);
  return `${manifest.stored.bytes} stored bytes and ${manifest.raw.bytes} of content have the hashes that were recorded`;
}

/** Compare the stored bytes of an encrypted backup; ends the meter. */
export function sameStored(manifest: Manifest, stored: Meter): string {
  sameAs(manifest.key, "stored bytes", stored, manifest.stored);
  return `${manifest.stored.bytes} stored bytes have the hash that was recorded`;
}

function sameAs(
  key: string,
  what: string,
  found: Meter,
  known: { readonly bytes: number; readonly sha256: string },
): void {
  if (found.bytes !== known.bytes)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `The ${what} of ${key} are ${found.bytes} bytes, not ${known.bytes}.`,
    );
  const sha256 = found.digest();
  if (sha256 !== known.sha256)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `The ${what} of ${key} have the SHA-256 ${sha256.slice(0, 16)}…, not ${known.sha256.slice(0, 16)}….`,
    );
}

/** Compare the tables and the number of rows in each. */
export function sameRows(manifest: Manifest, found: readonly TableCount[]): string {
  const rowsIn = new Map(found.map(({ name, rows }) => [name, rows]));
  for (const { name, rows } of manifest.tables)
    if (!rowsIn.has(name))
      throw new NightjarError("OBJECT_CORRUPT", `The table ${name} is missing.`);
    else if (rowsIn.get(name) !== rows)
      throw new NightjarError(
        "OBJECT_CORRUPT",
        `The table ${name} has ${rowsIn.get(name)} rows, not ${rows}.`,
      );
  if (rowsIn.size !== manifest.tables.length)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `There are ${rowsIn.size} tables, not ${manifest.tables.length}.`,
    );
  return `${countRows(manifest.tables)} rows in ${rowsIn.size} tables, as counted at capture`;
}

/** Compare the schema, by its hash. */
export function sameSchema({ schema }: Manifest, hash: string): string {
  if (hash === schema.hash) return "the schema that was captured";
  throw new NightjarError(
    "OBJECT_CORRUPT",
    `The schema's hash is ${hash.slice(0, 16)}…, not ${schema.hash.slice(0, 16)}….`,
  );
}
