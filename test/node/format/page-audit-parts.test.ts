import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PointerMap } from "../../../src/format/pages/audit/pointer-map.ts";
import { follows, varint, varintEnd } from "../../../src/format/pages/audit/varint.ts";
import { lockPage } from "../../../src/format/pages/page.ts";

/** Encode an integer as SQLite does: seven bits in each byte, but eight in a ninth. */
function encoded(value: bigint): number[] {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  if (rest >= 1n << 56n) {
    bytes.unshift(Number(rest & 0xffn));
    rest >>= 8n;
    while (bytes.length < 9) {
      bytes.unshift(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    return bytes;
  }
  do {
    bytes.unshift(Number(rest & 0x7fn) | (bytes.length > 0 ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
}

describe("integers of a variable length", () => {
  /** Each length is equally likely. */
  const integer = fc
    .tuple(fc.bigInt(-(1n << 63n), (1n << 63n) - 1n), fc.nat(63))
    .map(([value, bits]) => value >> BigInt(bits));

  it("are read with their sign, and rounded where a number is not enough", () => {
    fc.assert(
      fc.property(integer, fc.nat(3), (value, before) => {
        const bytes = encoded(value);
        const memory = new Uint8Array([...Array(before).fill(255), ...bytes, 255, 255]);
        expect(varint(memory, before)).toBe(Number(value));
        expect(varintEnd(memory, before)).toBe(before + bytes.length);
      }),
      { numRuns: 5000 },
    );
  });

  it("are in order when the rounded ones are, or are too large to tell", () => {
    const read = (value: bigint) => varint(new Uint8Array(encoded(value)), 0);
    fc.assert(
      fc.property(integer, fc.bigInt(1n, 1n << 12n), (value, more) => {
        const next = value + more < 1n << 63n ? value + more : value;
        if (next > value) expect(follows(read(next), read(value))).toBe(true);
        const exact = Number.isSafeInteger(read(next));
        if (exact) expect(follows(read(value), read(next))).toBe(false);
      }),
      { numRuns: 5000 },
    );
  });
});

it("a pointer map comes a page later where the lock page is in its place", () => {
  const pageSize = 1024;
  const lock = lockPage(pageSize);
  const maps = new PointerMap(pageSize, pageSize);
  const found = [2, 3, 206, 207, lock - 205, lock, lock + 1, lock + 2, lock + 205];
  expect(found.filter((pgno) => maps.has(pgno))).toEqual([
    2,
    207,
    lock - 205,
    lock + 1,
    lock + 205,
  ]);
  const map = new Uint8Array(pageSize);
  map.set([5, 0, 0, 0, 77]);
  maps.add(lock + 1, map);
  expect(maps.contradiction(lock + 2, 5, 77)).toBeUndefined();
  expect(maps.contradiction(lock + 2, 5, 78)).toContain(
    `page ${lock + 1} has type 5 and parent 77`,
  );
  expect(maps.contradiction(lock - 1, 5, 77)).toBe(`there is no page ${lock - 205} to map it`);
});

it("a pointer map keeps its page, wherever in other memory that lies, and when that is used again", () => {
  const pageSize = 512;
  for (const offset of [0, 1, 7, 640]) {
    const lent = Buffer.from(new Uint8Array(pageSize + offset + 9).buffer, offset, pageSize);
    lent.writeUInt8(5, 0); // page 3 is a child
    lent.writeUInt32BE(9, 1); // of page 9
    const map = new PointerMap(pageSize, pageSize);
    map.add(2, lent);
    lent.fill(0xee);
    expect(map.contradiction(3, 5, 9)).toBeUndefined();
    expect(map.contradiction(3, 5, 8)).toContain("parent 9");
  }
});
