import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergePages } from "../../../src/format/pages/merge-pages.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { allPages, pagesOf } from "../../support/ltx.ts";

/** Build a page whose bytes identify its input. */
function page(pgno: number, input: number): Page {
  const data = new Uint8Array(8);
  new DataView(data.buffer).setUint32(0, pgno);
  new DataView(data.buffer).setUint32(4, input);
  return { pgno, data };
}

/** Ascending lists of page numbers, the oldest first, and the number of pages in a batch. */
const inputs = fc.array(
  fc.record({
    pgnos: fc.uniqueArray(fc.integer({ min: 1, max: 150 }), { maxLength: 100 }),
    batch: fc.integer({ min: 1, max: 80 }),
  }),
  { maxLength: 12 },
);

describe("mergePages", () => {
  it("agrees with writing all pages into a map, the oldest first", async () => {
    await fc.assert(
      fc.asyncProperty(inputs, fc.integer({ min: 1, max: 160 }), async (inputs, commit) => {
        const model = new Map<number, Page>();
        const sources = inputs.map(({ pgnos, batch }, input) => {
          const pages = pgnos.sort((a, b) => a - b).map((pgno) => page(pgno, input));
          for (const page of pages) if (page.pgno <= commit) model.set(page.pgno, page);
          return pagesOf(pages, batch);
        });
        const expected = [...model.values()].sort((a, b) => a.pgno - b.pgno);
        expect(await allPages(mergePages(sources, commit))).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it("gives batches of 64 pages at most, and tolerates empty ones", async () => {
    async function* withEmpty() {
      yield [];
      yield Array.from({ length: 200 }, (_, at) => page(at + 1, 0));
      yield [];
    }
    const sizes: number[] = [];
    for await (const batch of mergePages([withEmpty()], 200)) sizes.push(batch.length);
    expect(sizes).toEqual([64, 64, 64, 8]);
  });

  it("merges a thousand inputs", async () => {
    const sources = Array.from({ length: 1000 }, (_, input) =>
      pagesOf([page(1, input), page(2 + input, input), page(1002, input)]),
    );
    const pages = await allPages(mergePages(sources, 5000));
    expect(pages).toEqual([
      page(1, 999),
      ...Array.from({ length: 1000 }, (_, input) => page(2 + input, input)),
      page(1002, 999),
    ]);
  });

  it("refuses an input that does not ascend", async () => {
    for (const pages of [
      [page(2, 0), page(1, 0)],
      [page(2, 0), page(2, 0)],
    ])
      for (const batch of [1, 2])
        await expect(allPages(mergePages([pagesOf(pages, batch)], 9))).rejects.toMatchObject({
          code: "PAGES_INVALID",
        });
  });
});

describe("the inputs of mergePages", () => {
  /** Three inputs; the middle one fails after some batches. */
  function watched(failAfter = Infinity) {
    const ended = [false, false, false];
    const sources = ended.map((_, input) => {
      async function* source() {
        try {
          for (let batch = 0; batch < 10; batch++) {
            if (input === 1 && batch === failAfter) throw new Error("This input is broken.");
            yield [page(1 + batch, input)];
          }
        } finally {
          ended[input] = true;
        }
      }
      return source();
    });
    return { ended, sources };
  }

  it("are closed when the merge is left early", async () => {
    const { ended, sources } = watched();
    for await (const batch of mergePages(sources, 10)) if (batch.length > 0) break;
    expect(ended).toEqual([true, true, true]);
  });

  it("are closed, though not begun, when the merge is left before its start", async () => {
    const { sources } = watched();
    await mergePages(sources, 10)[Symbol.asyncIterator]().return!();
    for (const source of sources) expect((await source.next()).done).toBe(true);
  });

  it.each([0, 1, 9])("are closed when one fails after %s batches", async (failAfter) => {
    const { ended, sources } = watched(failAfter);
    await expect(allPages(mergePages(sources, 10))).rejects.toThrow("This input is broken.");
    // At the very start, nothing was requested from the last input, so it has nothing to end.
    expect(ended).toEqual([true, true, failAfter > 0]);
    for (const source of sources) expect((await source.next()).done).toBe(true);
  });

  it("are read to their ends, also beyond the database's last page", async () => {
    const { ended, sources } = watched();
    expect((await allPages(mergePages(sources, 2))).length).toBe(2);
    expect(ended).toEqual([true, true, true]);
    await expect(allPages(mergePages(watched(9).sources, 2))).rejects.toThrow("broken");
  });
});
