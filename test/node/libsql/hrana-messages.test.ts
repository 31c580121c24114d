import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRow, type Value } from "../../../src/libsql/hrana-messages.ts";

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer({ min: -300, max: 300 }).map(BigInt),
  fc.constantFrom(2n ** 27n, -(2n ** 27n), 2n ** 27n - 1n, 2n ** 63n - 1n, -(2n ** 63n), 0n, -1n),
  fc.double(),
  fc.constantFrom(-0, Infinity, -Infinity, 5e-324),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.constantFrom("\ufeffbom", "é".repeat(16), "x".repeat(32), "x".repeat(33)),
  fc.uint8Array({ maxLength: 300 }),
);

/** Encode a row with the library's own writer. */
function encodeRow(values: readonly Value[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const one of values) {
    writer.tag(1, WireType.LengthDelimited).fork();
    if (one === null) writer.tag(1, WireType.LengthDelimited).bytes(new Uint8Array());
    else if (typeof one === "bigint") writer.tag(2, WireType.Varint).sint64(one);
    else if (typeof one === "number") writer.tag(3, WireType.Bit64).double(one);
    else if (typeof one === "string") writer.tag(4, WireType.LengthDelimited).string(one);
    else writer.tag(5, WireType.LengthDelimited).bytes(one);
    writer.join();
  }
  return writer.finish();
}

describe("a row in Protobuf", () => {
  it("is decoded as the library encodes it, wherever it lies", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 12 }), fc.nat(9), (values, before) => {
        const row = encodeRow(values);
        const memory = new Uint8Array(before + row.length + 5).fill(255);
        memory.set(row, before);
        expect(decodeRow(memory, before, before + row.length)).toEqual(values);
      }),
      { numRuns: 500 },
    );
  });

  it("that is cut gives no other values: fewer, or an error", () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), fc.nat(), (values, at) => {
        const row = encodeRow(values);
        const part = row.slice(0, at % row.length);
        try {
          const decoded = decodeRow(part);
          expect(decoded).toEqual(values.slice(0, decoded.length));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
