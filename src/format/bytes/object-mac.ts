import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** The metadata that is stored with an object: R2's custom metadata. */
export type Note = Readonly<Record<string, string>>;

/** Fields of the metadata that Nightjar adds to an object that it writes in one PUT. */
const OWN = ["sha256", "mac"];

/** Derive the key of the MACs from the secret SIGNING_KEY (HKDF-SHA-256, RFC 5869). */
export function macKeyOf(signingKey: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", signingKey, "", "nightjar object mac 1", 32));
}

/**
 * Return the HMAC-SHA-256, in hexadecimal, over an object's key, the SHA-256 of its bytes, and its note. An
 * object that was moved to another key, or whose note was changed, has another one.
 */
export function macOf(macKey: Uint8Array, key: string, sha256: string, note: Note): string {
  const entries = Object.entries(note)
    .filter(([name]) => !OWN.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHmac("sha256", macKey)
    .update(JSON.stringify([key, sha256, entries]))
    .digest("hex");
}

/** The writer of an object, as far as its MAC shows. */
export type Origin = "ours" | "unsigned" | "other";

export function originOf(macKey: Uint8Array, key: string, sha256: string, note: Note): Origin {
  const { mac } = note;
  if (mac === undefined) return "unsigned";
  const expected = Buffer.from(macOf(macKey, key, sha256, note));
  const found = Buffer.from(mac);
  return found.length === expected.length && timingSafeEqual(found, expected) ? "ours" : "other";
}
