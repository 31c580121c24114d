import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowSlicer } from "../../../src/libsql/row-slicer.ts";

type Step = { rows: unknown[][] } | null;

const value = fc.oneof(
  fc.constant({ type: "null" }),
  fc.bigInt().map((integer) => ({ type: "integer", value: String(integer) })),
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((float) => ({ type: "float", value: float })),
  fc.string({ unit: "binary" }).map((text) => ({ type: "text", value: text })),
  fc
    .constantFrom('"', "\\", '\\"', "]}],[{", '"rows":[[', "\u{1F319}")
    .map((text) => ({ type: "text", value: text })),
  fc.base64String().map((base64) => ({ type: "blob", base64 })),
);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.constant(null),
    fc.record({
      cols: fc.array(fc.record({ name: fc.string(), rows: fc.constant([1]) }), { maxLength: 2 }),
      rows: fc.array(fc.array(value, { maxLength: 4 }), { maxLength: 4 }),
    }),
  ),
  { maxLength: 4 },
);

function answerOf(list: readonly Step[], blanks: number | undefined): string {
  const result = { step_results: list, step_errors: list.map(() => null), rows: [["no row"]] };
  return JSON.stringify(
    { baton: null, results: [{ type: "ok", response: { type: "batch", result } }] },
    null,
    blanks,
  );
}

/** Slice an answer that comes in pieces of these sizes. */
function slice(
  answer: Uint8Array,
  sizes: () => number,
): { rows: [number, unknown][]; rest: unknown } {
  const rows: [number, unknown][] = [];
  const slicer = new RowSlicer((step, values) => rows.push([step, values]));
  for (let at = 0; at < answer.length;) {
    const end = Math.min(answer.length, at + sizes());
    slicer.push(answer.slice(at, end));
    at = end;
  }
  return { rows, rest: slicer.end() };
}

describe("the rows of an answer", () => {
  it("are those of JSON.parse, and nothing else is lost, however the answer is cut", () => {
    let seen = 0;
    fc.assert(
      fc.property(
        steps,
        fc.constantFrom(undefined, 1),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (list, blanks, sizes) => {
          const answer = Buffer.from(answerOf(list, blanks));
          const expected = list.flatMap((step, at) =>
            (step?.rows ?? []).map((row): [number, unknown] => [at, row]),
          );
          const rest = JSON.parse(
            answerOf(
              list.map((step) => step && { ...step, rows: [] }),
              blanks,
            ),
          ) as unknown;
          const parsed = JSON.parse(answer.toString()) as unknown;
          expect(JSON.parse(answerOf(list, blanks))).toEqual(parsed);
          for (const size of [() => sizes.next().value!, () => 1, () => answer.length])
            expect(slice(answer, size)).toEqual({ rows: expected, rest });
          seen += expected.length;
        },
      ),
    );
    expect(seen).toBeGreaterThan(100);
  });

  it("are cut off nowhere: an answer that is not whole is refused", () => {
    const answer = Buffer.from(
      answerOf([{ rows: [[{ type: "text", value: "a]\\" }], []] }], undefined),
    );
    for (let length = 0; length < answer.length; length++)
      expect(() => slice(answer.subarray(0, length), () => 7), String(length)).toThrow(
        expect.objectContaining({ code: "SOURCE_CUT" }),
      );
  });

  it("are lists, and no other value may stand between them", () => {
    const good = answerOf([{ rows: [[]] }], undefined);
    for (const odd of ["1", '"a"', "null", "true", "[]1", '[]"a"'])
      expect(
        () => slice(Buffer.from(good.replace('"rows":[[]]', `"rows":[${odd}]`)), () => 5),
        odd,
      ).toThrow(expect.objectContaining({ code: "ROWS_INVALID" }));
    for (const broken of [good.replace("[[]]", "[[}]"), `${good}}`, good.replace('"ok"', "ok")])
      expect(() => slice(Buffer.from(broken), () => 5), broken).toThrow(
        expect.objectContaining({ code: "ROWS_INVALID" }),
      );
  });

  it("may not be larger than a Worker holds", () => {
    const slicer = new RowSlicer(() => {});
    slicer.push(
      Buffer.from(
        answerOf([{ rows: [] }], undefined).split('"rows":[')[0]! +
          '"rows":[[{"type":"text","value":"',
      ),
    );
    const piece = Buffer.alloc(1024 * 1024, "x");
    expect(() => {
      for (let sent = 0; sent < 10; sent++) slicer.push(piece);
    }).toThrow(expect.objectContaining({ code: "ROWS_UNAVAILABLE" }));
  });
});
