import { Buffer } from "node:buffer";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../bytes/bytes.ts";

/** One entry of a database's erasure list as it is stored: rows that a restore must not bring back. */
export interface StoredErasure {
  /**
   * Version of this format: 1 has a hash of the key, 2 an HMAC, against which keys cannot be tried without
   * the secret.
   */
  format: 1 | 2;
  id: string;
  database: string;
  table: string;
  /** The column that identifies whose the row is. */
  column: string;
  /** Random text that goes into the hash, so that equal keys look different. */
  salt: string;
  /**
   * Hex, of the key as text; the key itself is kept nowhere. Format 1: SHA-256 of the salt, a NUL and the
   * key. Format 2: HMAC-SHA-256 of the key under `hmacKeyOf`.
   */
  keyHash: string;
  /** In format 2, an id of the SIGNING_KEY that the HMAC was made with; hex. */
  secretId?: string | undefined;
  /** The time of the request, ISO 8601. Backups of later moments are left as they are. */
  at: string;
  /** The requester. */
  who: string;
}

/** The document beside an entry that withdraws it. */
export interface Withdrawal {
  format: 1;
  /** The entry's id. */
  id: string;
  database: string;
  /** ISO 8601. */
  at: string;
  who: string;
  reason: string;
}

/** An entry as it is applied. */
export interface Erasure extends StoredErasure {
  /** In format 2, the key of its HMAC, hex. It opens this entry only, and is stored nowhere. */
  hmacKey?: string | undefined;
  /** Set when the entry no longer applies. */
  withdrawn?: Pick<Withdrawal, "at" | "who" | "reason"> | undefined;
}

/** Return the hash of a key in format 1. The key is given as SQLite's text of it (`CAST(key AS TEXT)`). */
export function hashKey(salt: string, key: Uint8Array | string): string {
  return createHash("sha256").update(salt).update("\0").update(bytesOf(key)).digest("hex");
}

/** Return the hash of a key in format 2. */
export function hmacOf(hmacKey: string, key: Uint8Array | string): string {
  return createHmac("sha256", Buffer.from(hmacKey, "hex")).update(bytesOf(key)).digest("hex");
}

/** Return the HMAC key of one entry, hex: HKDF-SHA-256 of SIGNING_KEY with the entry's salt. */
export function hmacKeyOf(signingKey: string, salt: string): string {
  return derive(signingKey, salt, "nightjar erasure key", 32);
}

/** Return an id that distinguishes two signing keys, and says nothing else about them; hex. */
export function secretIdOf(signingKey: string, salt: string): string {
  return derive(signingKey, salt, "nightjar erasure secret id", 8);
}

function derive(signingKey: string, salt: string, label: string, bytes: number): string {
  return Buffer.from(hkdfSync("sha256", signingKey, salt, label, bytes)).toString("hex");
}

/**
 * Return true if a row with this key is to be left out.
 *
 * @throws NightjarError `ERASURE_FAILED` for an entry that cannot be compared here
 */
export function isErased(erasure: Erasure, key: Uint8Array | string): boolean {
  const { salt, keyHash, hmacKey } = erasure;
  switch (erasure.format) {
    case 1:
      return hashKey(salt, key) === keyHash;
    case 2:
      if (hmacKey === undefined) throw unreadable(erasure, "was made with another SIGNING_KEY");
      return hmacOf(hmacKey, key) === keyHash;
    default:
      throw unreadable(erasure, "has a format that this Nightjar does not know");
  }
}

function unreadable({ id, table }: Erasure, why: string): NightjarError {
  return new NightjarError(
    "ERASURE_FAILED",
    `The entry ${id} of the erasure list, about ${table}, ${why}: its rows cannot be found.`,
    {
      hint: "Nothing was given. Set SIGNING_KEY to the value of then (FORMER_SIGNING_KEYS takes it beside a new one), or withdraw the entry and add it again.",
    },
  );
}

/** Return the entries that apply to a database as it was at a moment (ISO 8601). */
export function concerning(erasures: readonly Erasure[], moment: string): Erasure[] {
  return erasures.filter(
    ({ at, withdrawn }) => withdrawn === undefined && Date.parse(at) >= Date.parse(moment),
  );
}

/** The result of applying a list. */
export interface Erased {
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** Entries whose table exists without their column, or is a view. */
  readonly unapplied: readonly { readonly table: string; readonly column: string }[];
}

function bytesOf(key: Uint8Array | string): Uint8Array {
  return typeof key === "string" ? encode(key) : key;
}
