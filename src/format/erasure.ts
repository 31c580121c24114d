import { createHash } from "node:crypto";
import { encode } from "./bytes.ts";

/** One entry of a database's erasure list: rows that a restore must not bring back. */
export interface Erasure {
  /** Version of this format. */
  format: 1;
  id: string;
  database: string;
  table: string;
  /** The column that tells whose the row is. */
  column: string;
  /** Random text that goes before the key in the hash, so that equal keys look different. */
  salt: string;
  /** SHA-256, hex, of the salt and the key as text: the key itself is kept nowhere. */
  keyHash: string;
  /** When it was asked for, ISO 8601; backups of later moments are left as they are. */
  at: string;
  /** Who asked for it. */
  who: string;
}

/** The hash of a key, given as the text that SQLite makes of it (`CAST(key AS TEXT)`). */
export function hashKey(salt: string, key: Uint8Array | string): string {
  return createHash("sha256")
    .update(salt)
    .update("\0")
    .update(typeof key === "string" ? encode(key) : key)
    .digest("hex");
}

/** Whether a row with this key is to be left out. */
export function isErased({ salt, keyHash }: Erasure, key: Uint8Array | string): boolean {
  return hashKey(salt, key) === keyHash;
}

/** Those entries that concern what a database was at a moment (ISO 8601). */
export function concerning(erasures: readonly Erasure[], moment: string): Erasure[] {
  return erasures.filter(({ at }) => Date.parse(at) >= Date.parse(moment));
}

/** What an erasure list has done to a copy of a database. */
export interface Erased {
  /** How many rows of each table were left out. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Entries for tables that this copy has without the column. */
  readonly unapplied: readonly { readonly table: string; readonly column: string }[];
}
