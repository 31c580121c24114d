import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** What an object says of itself beside its bytes: R2's custom metadata. */
export type Note = Readonly<Record<string, string>>;

/** The metadata that Nightjar adds to what it writes at once. */
const OWN = ["sha256", "mac"];

/** The key of the MACs, made from the secret SIGNING_KEY (HKDF-SHA-256, RFC 5869). */
export function macKeyOf(signingKey: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", signingKey, "", "nightjar object mac 1", 32));
}

/**
 * HMAC-SHA-256, hexadecimal, of what makes an object: its key, the SHA-256 of its bytes, and its note.
 * An object that was moved to another key or whose note was changed has another one.
 */
export function macOf(macKey: Uint8Array, key: string, sha256: string, note: Note): string {
  const entries = Object.entries(note)
    .filter(([name]) => !OWN.includes(name))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHmac("sha256", macKey)
    .update(JSON.stringify([key, sha256, entries]))
    .digest("hex");
}

/** Who wrote an object, as far as its MAC tells. */
export type Origin = "ours" | "unsigned" | "other";

export function originOf(macKey: Uint8Array, key: string, sha256: string, note: Note): Origin {
  const { mac } = note;
  if (mac === undefined) return "unsigned";
  const expected = Buffer.from(macOf(macKey, key, sha256, note));
  const found = Buffer.from(mac);
  return found.length === expected.length && timingSafeEqual(found, expected) ? "ours" : "other";
}
