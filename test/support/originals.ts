import { Buffer } from "node:buffer";

/** Characters from which on a value is looked for: shorter ones are anywhere. */
const SHORTEST = 5;

/**
 * Find original values in the bytes of an output: as UTF-8, UTF-16 in both orders, hexadecimal and base64 at
 * each of its three places.
 */
export function originalsIn(output: Uint8Array, values: Iterable<string | Uint8Array>): string[] {
  const bytes = Buffer.from(output);
  const upper = Buffer.from(bytes.toString("latin1").toUpperCase(), "latin1");
  const found: string[] = [];
  for (const value of new Set(values)) {
    const own = Buffer.from(value as string);
    if (own.length < SHORTEST) continue;
    const forms: Buffer[] = [own];
    if (typeof value === "string") {
      const wide = Buffer.from(value, "utf16le");
      forms.push(wide, Buffer.from(wide).swap16());
    }
    for (let shift = 0; shift < 3; shift++) {
      const padded = Buffer.concat([Buffer.alloc(shift), own])
        .toString("base64")
        .replace(/=+$/, "");
      // The first and the last character also depend on what is beside it.
      const inner = padded.slice(shift === 0 ? 0 : shift + 1, -1);
      if (inner.length > 6) forms.push(Buffer.from(inner));
    }
    const hex = Buffer.from(own.toString("hex").toUpperCase());
    if (forms.some((form) => bytes.includes(form)) || upper.includes(hex))
      found.push(own.toString());
  }
  return found;
}
