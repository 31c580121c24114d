import * as v from "valibot";
import type { StoredErasure } from "../format/erasure.ts";
import { databaseName, id, misfit, moment, parseDocument, text } from "./document.ts";

const schema = v.looseObject({
  format: v.picklist([1, 2]),
  id,
  database: databaseName,
  table: text,
  column: text,
  salt: text,
  keyHash: text,
  secretId: v.optional(text),
  at: moment,
  who: text,
});

/**
 * An entry of an erasure list, whose fields have their types and say what its key says.
 *
 * @param key `erasures/<database>/<stamp>-<id>.json`
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseErasure(json: string, key: string): StoredErasure {
  const erasure = parseDocument<StoredErasure>("an entry of an erasure list", key, json, schema, 2);
  const [, database, , name] = /^erasures\/([^/]+)\/([^/]+)-([^/-]+)\.json$/.exec(key) ?? [];
  if (erasure.database !== database || erasure.id !== name)
    throw misfit("the entry of its key", key, "it is another one");
  return erasure;
}
