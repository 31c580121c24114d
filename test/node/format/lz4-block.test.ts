import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lz4Bound, lz4Compress, lz4Decompress } from "../../../src/format/bytes/lz4-block.ts";

function compress(source: Uint8Array): Uint8Array {
  const target = new Uint8Array(lz4Bound(source.length));
  return target.subarray(0, lz4Compress(source, target));
}

function decompress(block: Uint8Array, length: number): Uint8Array {
  const target = new Uint8Array(length);
  return target.subarray(0, lz4Decompress(block, target));
}

/** Decode the format as simply as possible, as its description says; checks the rules for a block's end. */
function reference(block: Uint8Array): number[] {
  const out: number[] = [];
  let at = 0;
  let lastMatch = 0;
  const length = (nibble: number) => {
    let sum = nibble;
    if (nibble === 15)
      for (;;) {
        const byte = block[at++]!;
        sum += byte;
        if (byte !== 255) break;
      }
    return sum;
  };
  for (;;) {
    const token = block[at++]!;
    const literals = length(token >> 4);
    for (let count = 0; count < literals; count++) out.push(block[at++]!);
    if (at >= block.length) {
      expect(at).toBe(block.length);
      if (lastMatch > 0) {
        expect(literals).toBeGreaterThanOrEqual(5);
        expect(out.length - lastMatch).toBeGreaterThanOrEqual(12);
      }
      return out;
    }
    const distance = block[at++]! + 256 * block[at++]!;
    expect(distance).toBeGreaterThan(0);
    lastMatch = out.length;
    const match = length(token & 15) + 4;
    for (let count = 0; count < match; count++) out.push(out[out.length - distance]!);
  }
}

/** Bytes with repetitions of all kinds, up to about 5,000 bytes. */
const compressible = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 70 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 60 }))
        .map(([unit, times]) =>
          Uint8Array.from({ length: unit.length * times }, (_, at) => unit[at % unit.length]!),
        ),
      fc.constantFrom("INSERT INTO ", "lorem ipsum dolor").map((text) => Buffer.from(text)),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => new Uint8Array(Buffer.concat(pieces)));

describe("a round trip", () => {
  it("gives back anything, and others can read it", () => {
    fc.assert(
      fc.property(fc.oneof(compressible, fc.uint8Array({ maxLength: 5000 })), (source) => {
        const block = compress(source);
        expect(Buffer.compare(decompress(block, source.length), source)).toBe(0);
        expect(Buffer.compare(new Uint8Array(reference(block)), source)).toBe(0);
        // A table full of earlier calls changes nothing.
        expect(compress(source)).toEqual(block);
      }),
      { numRuns: 1000 },
    );
  });

  it("gives back every length of zeros, of noise and of short periods", () => {
    const noise = new Uint8Array(randomBytes(300));
    for (let length = 0; length <= 300; length++)
      for (const source of [
        new Uint8Array(length),
        noise.subarray(0, length),
        ...[1, 2, 3, 4, 5, 7, 60].map((period) =>
          Uint8Array.from({ length }, (_, at) => noise[at % period]!),
        ),
      ]) {
        const block = compress(source);
        expect(Buffer.compare(decompress(block, length), source)).toBe(0);
        expect(Buffer.compare(new Uint8Array(reference(block)), source)).toBe(0);
      }
  });

  it("refers back as far as the format can say, and no further", () => {
    const noise = new Uint8Array(randomBytes(30));
    const sizes = [65_535, 65_536].map((distance) => {
      const source = new Uint8Array(distance + 100);
      source.set(noise);
      source.set(noise, distance);
      const block = compress(source);
      expect(Buffer.compare(decompress(block, source.length), source)).toBe(0);
      expect(Buffer.compare(new Uint8Array(reference(block)), source)).toBe(0);
      return block.length;
    });
    expect(sizes[1]! - sizes[0]!).toBeGreaterThan(20);
  });

  it("shrinks what repeats, and grows noise by no more than the bound", () => {
    expect(compress(new Uint8Array(4096)).length).toBeLessThan(40);
    const noise = new Uint8Array(randomBytes(65_536));
    expect(compress(noise).length).toBeLessThanOrEqual(lz4Bound(65_536));
  });

  it("writes at a place in the target, and refuses one without room", () => {
    const target = new Uint8Array(7 + lz4Bound(100));
    const end = lz4Compress(new Uint8Array(100), target, 7);
    expect(decompress(target.subarray(7, end), 100)).toEqual(new Uint8Array(100));
    expect(() => lz4Compress(new Uint8Array(100), target, 8)).toThrow(RangeError);
  });
});

describe("a malformed block", () => {
  const corrupt = expect.objectContaining({ code: "OBJECT_CORRUPT" }) as Error;

  it.each([
    ["nothing at all", []],
    ["literals that are missing", [0x30, 1, 2]],
    ["a literal length that is missing", [0xf0]],
    ["a literal length that goes on", [0xf0, 255, 255]],
    ["half a distance", [0x10, 1, 1]],
    ["a distance of 0", [0x10, 1, 0, 0, 0x10, 1]],
    ["a distance before the start", [0x10, 1, 2, 0, 0x10, 1]],
    ["a match length that is missing", [0x1f, 1, 1, 0]],
    ["a match at the very end", [0x10, 1, 1, 0]],
    ["a match length without a match", [0x15, 1]],
    ["more literals than there is room for", [0xf0, 50, ...Array<number>(65).fill(1)]],
    ["a longer match than there is room for", [0x1f, 1, 1, 0, 200, 0]],
  ])("is refused for %s", (_, block) => {
    expect(() => decompress(Uint8Array.from(block), 64)).toThrow(corrupt);
  });

  it("is refused or read within its bounds, whatever it holds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), compressible, (noise, source) => {
        const memory = new Uint8Array(300).fill(7);
        const target = memory.subarray(100, 200);
        const cut = compress(source).subarray(0, noise.length);
        for (const block of [noise, cut])
          try {
            lz4Decompress(block, target);
          } catch (error) {
            expect(error).toMatchObject({ code: "OBJECT_CORRUPT" });
          }
        expect(memory.subarray(0, 100).every((byte) => byte === 7)).toBe(true);
        expect(memory.subarray(200).every((byte) => byte === 7)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
