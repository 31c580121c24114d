import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type CsvField,
  csvField,
  csvHeader,
  csvLine,
  CsvReader,
  csvValue,
} from "../../../src/format/rows/csv.ts";
import { type JsonValue, sqlValueOf } from "../../../src/format/rows/json-value.ts";

function read(...pieces: string[]): CsvField[][] {
  const records: CsvField[][] = [];
  const reader = new CsvReader((fields) => records.push([...fields]));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return records;
}

const texts = (...pieces: string[]) =>
  read(...pieces).map((fields) => fields.map(({ text, quoted }) => (quoted ? [text] : text)));

describe("CSV by RFC 4180", () => {
  it.each([
    [
      "a,b\r\n1,2\r\n",
      [
        ["a", "b"],
        ["1", "2"],
      ],
    ],
    ["a\n\n", [["a"], [""]]],
    ['"a,b",",","\r\n"\r\n', [[["a,b"], [","], ["\r\n"]]]],
    ['"say ""yes"" now",""\r\n', [[['say "yes" now'], [""]]]],
    ['""""\r\n', [[['"']]]],
    [",,\r\n", [["", "", ""]]],
    [" a , b \r\n", [[" a ", " b "]]],
  ])("%j is read", (text, records) => {
    expect(texts(text)).toEqual(records);
    expect(texts(...text)).toEqual(records); // one character at a time
  });

  it.each(['a"b\r\n', '"a"b\r\n', '"a', "a", "a,", "a\rb\r\n", "\r", '"a" ,b\r\n'])(
    "%j is refused",
    (text) => expect(() => read(text)).toThrow(/CSV/),
  );

  it("gives each value back with its type", () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "1", '"', ",", "\r\n", "Infinity"),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noInteger: true }).filter(Number.isFinite),
      fc.integer().map((whole) => ({ real: `${whole}.0` })),
      fc.constantFrom(
        { real: "Infinity" },
        { real: "-Infinity" },
        { real: "-0.0" },
        1e300,
        2 ** 60,
      ),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }).map((big) => ({ integer: String(big) })),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(value, { minLength: 2, maxLength: 2 })),
        fc.array(fc.nat({ max: 40 })),
        (rows, cuts) => {
          const text = rows
            .map((row) => csvLine(row.map((one) => csvField(one as JsonValue, "base64"))))
            .join("");
          const pieces: string[] = [];
          let at = 0;
          for (const cut of cuts) pieces.push(text.slice(at, (at += cut)));
          const found = read(...pieces, text.slice(at)).map((fields) =>
            fields.map((field) => sqlValueOf(csvValue(field, undefined))),
          );
          expect(found).toEqual(rows.map((row) => row.map((one) => sqlValueOf(one))));
        },
      ),
    );
  });

  it("gives BLOBs back where their column has nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom("base64", "hex"), (bytes, form) => {
        const blob = { blob: Buffer.from(bytes).toString("base64") };
        const [[field]] = read(csvLine([csvField(blob, form)])) as [[CsvField]];
        expect(csvValue(field, form)).toEqual(blob);
      }),
    );
    expect(csvValue({ text: "xyz", quoted: false }, "hex")).toBeUndefined();
    expect(csvValue({ text: "1x", quoted: false }, undefined)).toBeUndefined();
  });

  it("has a header whose names have quotes where they need them", () => {
    const names = ["id", 'q"q', "a,b", "", "é"];
    expect(csvHeader(names)).toBe('id,"q""q","a,b","","é"\r\n');
    expect(read(csvHeader(names))[0]!.map(({ text }) => text)).toEqual(names);
  });
});
