import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { realLiteral } from "../../../src/sqlite/engine/real.ts";

const db = new DatabaseSync(":memory:");
const read = (literal: string) =>
  db.prepare(`SELECT typeof(x) AS type, x FROM (SELECT ${literal} AS x)`).get();

describe("the literal of a REAL", () => {
  it("reads back to the same bits, and stays a REAL", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (value) => {
        const { type, x } = read(realLiteral(value))!;
        expect(type).toBe("real");
        expect(x).toBe(value); // Object.is: −0 is not 0
      }),
      { numRuns: 5000 },
    );
  });

  // Decimals that SQLite 3.40 or libSQL 3.45 misread, so they are not written as decimals.
  it.each([
    [5e-324, /^1\*1\.0(\/\(1<<62\)){17}\/\(1<<20\)$/],
    [-5e-324, /^-1\*1\.0\//],
    [Number.MAX_VALUE, /^9007199254740991\*1\.0\*\(1<<62\)/],
    [9218868437227405312, /^2047\*1\.0\*\(1<<52\)$/],
    [-18442240474082181120, /^-4095\*1\.0\*\(1<<52\)$/],
  ])("of %d is made of integers", (value, form) => {
    expect(realLiteral(value)).toMatch(form);
    expect(read(realLiteral(value))!["x"]).toBe(value);
  });

  it.each([
    [1, "1.0"],
    [-2.5, "-2.5"],
    [19.99, "19.99"],
    [-0, "-0.0"],
    [1 / 3, "0.3333333333333333148"],
    [Number.POSITIVE_INFINITY, "9e999"],
    [Number.NEGATIVE_INFINITY, "-9e999"],
  ])("of %d is %s", (value, literal) => {
    expect(realLiteral(value)).toBe(literal);
  });
});
