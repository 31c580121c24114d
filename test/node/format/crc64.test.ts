import fc from "fast-check";
import { expect, it } from "vitest";
import { Crc64, crc64 } from "../../../src/format/bytes/crc64.ts";

/** Compute CRC-64 bit by bit, as defined. */
function reference(data: Uint8Array, from: bigint): bigint {
  let crc = ~from & 0xffff_ffff_ffff_ffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++)
      crc = (crc & 1n) === 0n ? crc >> 1n : (crc >> 1n) ^ 0xd800_0000_0000_0000n;
  }
  return ~crc & 0xffff_ffff_ffff_ffffn;
}

it("gives the values of Go's crc64.ISO", () => {
  // The first is the catalogued check value of CRC-64/GO-ISO; the others are from Go's crc64_test.go.
  const known = {
    "123456789": 0xb90956c775a41001n,
    "": 0n,
    a: 0x3420000000000000n,
    abc: 0x3776c42000000000n,
  };
  for (const [text, crc] of Object.entries(known))
    expect(crc64(new TextEncoder().encode(text))).toBe(crc);
});

it("agrees with the definition for all lengths, places in memory and starts", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(9),
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      (bytes, skip, from) => {
        const data = bytes.subarray(skip);
        expect(crc64(data, from)).toBe(reference(data, from));
      },
    ),
    { numRuns: 2000 },
  );
});

it("is the same in pieces, and may be asked in between", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 6 }), (pieces) => {
      const crc = new Crc64();
      for (const piece of pieces) {
        const before = crc.digest();
        crc.update(piece);
        expect(crc.digest()).toBe(crc64(piece, before));
      }
      expect(crc.digest()).toBe(crc64(new Uint8Array(pieces.flatMap((piece) => [...piece]))));
    }),
  );
});
