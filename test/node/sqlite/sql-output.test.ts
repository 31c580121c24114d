import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SqlOutput, textLiteral, unusedMark } from "../../../src/sqlite/sql/sql-output.ts";
import { type Statement, TYPE } from "../../../src/sqlite/engine/statement.ts";

const RUNS = Number(process.env["TRIALS"] ?? 300);

/** Build a row with one TEXT value, which lies between other bytes of the heap. */
const rowOf = (bytes: Uint8Array) =>
  ({
    type: () => TYPE.TEXT,
    heap: Buffer.concat([Buffer.from("'\r\0(\\r0)"), bytes, Buffer.from("'\r\0\xff", "latin1")]),
    place: () => 8,
    size: () => bytes.length,
  }) as unknown as Statement;

function written(bytes: Uint8Array): string {
  const output = new SqlOutput();
  output.value(rowOf(bytes), 0);
  return Buffer.from(output.take()).toString("utf8");
}

/** Pieces of text that could confuse a writer or a shell. */
const pieces = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\r",
        "\\r",
        "(\\r0)",
        "(\\r1)",
        "(\\r",
        "(\\r00)",
        ")",
        "\n",
        "'",
        '"',
        "\\",
      ),
      fc.constantFrom("(\\r12345678901)", "\n.read x\n", "\ngo\n", "é", "🌙", "\ufeff"),
      fc.nat({ max: 12 }).map((number) => `(\\r${number})`),
      fc.string(),
    ),
    { maxLength: 40 },
  )
  .map((list) => list.join(""));

/** Count how often a byte is read. */
function counted(bytes: Uint8Array): { bytes: Uint8Array; reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) reads++;
      if (key === "indexOf")
        return (value: number, from = 0) => {
          const found = target.indexOf(value, from);
          reads += (found === -1 ? target.length : found) - from + 1;
          return found;
        };
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { bytes: proxy, reads: () => reads };
}

describe("text as SQL", () => {
  test("reads back as the same bytes", () => {
    const db = new DatabaseSync(":memory:");
    fc.assert(
      fc.property(
        fc.oneof(
          pieces.map((text) => Buffer.from(text)),
          fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const sql = written(bytes);
          expect(sql).not.toContain("\r");
          const row = db.prepare(`SELECT hex(${sql}) AS h, typeof(${sql}) AS t`).get();
          expect(row).toEqual({ h: bytes.toString("hex").toUpperCase(), t: "text" });
        },
      ),
      { numRuns: RUNS },
    );
    db.close();
  });

  test("of the schema reads back as the same text", () => {
    const db = new DatabaseSync(":memory:");
    fc.assert(
      fc.property(pieces, (text) => {
        fc.pre(!text.includes("\0") && text.isWellFormed());
        expect(db.prepare(`SELECT ${textLiteral(text)} AS t`).get()).toEqual({ t: text });
      }),
      { numRuns: RUNS },
    );
    db.close();
  });

  test("costs work in proportion to its length, whatever marks for CR it has", () => {
    const marks = (count: number) =>
      Buffer.from(`\r${Array.from({ length: count }, (_, at) => `(\\r${at})`).join("")}`);
    const shapes: ((size: number) => Buffer)[] = [
      marks,
      (size) => Buffer.from("\\r".repeat(size)),
      (size) => Buffer.from("(\\r".repeat(size)),
      (size) => Buffer.from(`\r\\r${"(\\r999999999".repeat(size)}`),
      (size) => Buffer.from("\\".repeat(size)),
    ];
    for (const shape of shapes) {
      const bytes = shape(20_000);
      const { bytes: seen, reads } = counted(bytes);
      unusedMark(seen);
      expect(reads()).toBeLessThan(bytes.length * 12);
    }
    const bytes = marks(50_000);
    expect(unusedMark(bytes)).toBe("(\\r50000)");
    expect(written(bytes).length).toBeLessThan(bytes.length + 100);
    // A marker for each CR of a text that has many: longer by the marker's few digits each.
    const returns = Buffer.concat([marks(1000), Buffer.from("\r".repeat(10_000))]);
    expect(written(returns).length).toBeLessThan(returns.length * 10);
  });

  test("grows the buffer by doubling, not by little and little", () => {
    const allocated: number[] = [];
    const Original = globalThis.Uint8Array;
    const spy = new Proxy(Original, {
      construct(target, args: [number]) {
        if (typeof args[0] === "number") allocated.push(args[0]);
        return Reflect.construct(target, args) as object;
      },
    });
    globalThis.Uint8Array = spy;
    try {
      const output = new SqlOutput();
      for (let at = 0; at < 100_000; at++) output.ascii("0123456789".repeat(3));
      expect(output.length).toBe(3_000_000);
    } finally {
      globalThis.Uint8Array = Original;
    }
    const total = allocated.reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBeLessThan(3_000_000 * 6);
  });
});
