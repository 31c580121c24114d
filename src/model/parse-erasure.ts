import * as v from "valibot";
import type { StoredErasure, Withdrawal } from "../format/tables/erasure.ts";
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
 * Parse an entry of an erasure list, and check that it matches its own key.
 *
 * @param key `erasures/<database>/<stamp>-<id>.json`
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseErasure(json: string, key: string): StoredErasure {
  const erasure = parseDocument<StoredErasure>("an entry of an erasure list", key, json, schema, 2);
  refuseOther(erasure, key, ".json");
  return erasure;
}

/** Suffix of the key of an entry's withdrawal. */
export const WITHDRAWN = ".withdrawn.json";

const withdrawal = v.looseObject({
  format: v.literal(1),
  id,
  database: databaseName,
  at: moment,
  who: text,
  reason: text,
});

/**
 * Parse the withdrawal of an entry of an erasure list, and check that it matches its own key.
 *
 * @param key `erasures/<database>/<stamp>-<id>.withdrawn.json`
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function parseWithdrawal(json: string, key: string): Withdrawal {
  const document = parseDocument<Withdrawal>("the withdrawal of an entry", key, json, withdrawal);
  refuseOther(document, key, WITHDRAWN);
  return document;
}

function refuseOther(found: { id: string; database: string }, key: string, end: string): void {
  const [, database, , name] = /^erasures\/([^/]+)\/([^/]+)-([^/.-]+)\./.exec(key) ?? [];
  if (found.database === database && found.id === name && key.endsWith(`-${name}${end}`)) return;
  throw misfit("the entry of its key", key, "it is another one");
}
