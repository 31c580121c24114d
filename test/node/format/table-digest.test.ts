import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { RowHash } from "../../../src/format/tables/digest.ts";

it("writes integers and lengths as 64 bits, whatever they come as", () => {
  const integers = [0, 1, -1, 255, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32), 2 ** 32 - 1];
  for (let bit = 1; bit < 53; bit++) integers.push(2 ** bit - 1, -(2 ** bit) - 1, 3 - 2 ** bit);
  integers.push(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER);
  for (const integer of integers) {
    const hash = new RowHash();
    hash.integer(integer);
    const bytes = Buffer.alloc(9, 1);
    bytes.writeBigInt64BE(BigInt(integer), 1);
    expect(hash.digest(), String(integer)).toBe(sha256(bytes));
  }
});

it.each([0, 1, 127, 128, 129, 64 * 1024 - 9, 64 * 1024, 64 * 1024 + 1, 200_000])(
  "takes %i bytes out of the middle of a heap",
  (length) => {
    const heap = Buffer.alloc(length + 20, "heap");
    const hash = new RowHash();
    hash.null();
    hash.text(heap, 7, length);
    hash.blob(heap.subarray(7, 7 + length));
    const head = (type: number) => {
      const bytes = Buffer.alloc(9, type);
      bytes.writeBigUint64BE(BigInt(length), 1);
      return bytes;
    };
    const value = heap.subarray(7, 7 + length);
    const all = Buffer.concat([Buffer.of(0), head(3), value, head(4), value]);
    expect(hash.digest()).toBe(sha256(all));
  },
);

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
