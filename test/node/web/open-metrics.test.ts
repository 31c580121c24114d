import fc from "fast-check";
import { expect, it } from "vitest";
import { type Family, openMetrics } from "../../../src/web/open-metrics.ts";
import { readOpenMetrics } from "../../support/open-metrics.ts";

const labelName = fc.stringMatching(/^[a-z][a-z0-9_]{0,9}$/);
const word = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom("\n", "\\", '"', "n", " ", "{", ",") }),
);
const sample = fc.record({
  labels: fc.dictionary(labelName, word, { noNullPrototype: true }),
  value: fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })),
});
const family = fc.record({
  name: fc.stringMatching(/^nightjar_[a-z_]{1,20}$/),
  help: fc.string({ unit: "grapheme" }),
  samples: fc.uniqueArray(sample, {
    selector: ({ labels }) => JSON.stringify(Object.entries(labels).map(String).toSorted()),
    maxLength: 5,
  }),
});

it("writes what a reader of OpenMetrics reads again, whatever is in a label", () => {
  fc.assert(
    fc.property(fc.uniqueArray(family, { selector: ({ name }) => name }), (families) => {
      const given: Family[] = families.map((one) => ({ ...one, type: "gauge" }));
      const read = readOpenMetrics(openMetrics(given));
      expect([...read.keys()]).toEqual(given.map(({ name }) => name));
      for (const { name, samples } of given)
        expect(read.get(name)!.samples).toEqual(
          samples.map(({ labels, value }) => ({ labels, value: value === 0 ? 0 : value })),
        );
    }),
    { numRuns: 300 },
  );
});
