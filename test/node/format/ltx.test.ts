import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { decodeLtx, decodeLtxPage } from "../../../src/format/ltx/decode.ts";
import { encodeLtx } from "../../../src/format/ltx/encode.ts";
import { LTX_END_SIZE, ltxTailSize, readLtxIndex } from "../../../src/format/ltx/index-tail.ts";
import { lockPage } from "../../../src/format/pages/page.ts";
import { chunksOf, decoded, encoded, header, page, pagesOf, snapshot } from "../../support/ltx.ts";

const invalid = expect.objectContaining({ code: "PAGES_INVALID" }) as Error;

describe("a round trip", () => {
  const file = fc
    .record({
      pageSize: fc.constantFrom(512, 4096, 65_536),
      gaps: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 200 }),
      after: fc.nat(5),
      txids: fc.tuple(fc.integer({ min: 2, max: 2 ** 53 - 1 }), fc.nat(1000)),
      seed: fc.nat(),
    })
    .map(({ pageSize, gaps, after, txids: [minTxid, more], seed }) => {
      let pgno = 0;
      const pages = gaps.map((gap) => page((pgno += gap), pageSize, seed));
      const maxTxid = Math.min(minTxid + more, Number.MAX_SAFE_INTEGER);
      return { header: header({ pageSize, commit: pgno + after + 1, minTxid, maxTxid }), pages };
    });

  it("gives back header and pages, in batches of 64 pages and 256 KiB at most", async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 70_000 }), async (file, chunk) => {
        const bytes = await encoded(file.header, file.pages, 7);
        const { header, pages } = await decodeLtx(chunksOf(bytes, chunk));
        expect(header).toEqual(file.header);
        let count = 0;
        for await (const batch of pages) {
          expect(batch.length).toBeLessThanOrEqual(64);
          expect(batch.length * header.pageSize).toBeLessThanOrEqual(256 * 1024);
          for (const { pgno, data } of batch) {
            const expected = file.pages[count++]!;
            expect(pgno).toBe(expected.pgno);
            expect(Buffer.compare(data, expected.data)).toBe(0);
          }
        }
        expect(count).toBe(file.pages.length);
      }),
      { numRuns: 60 },
    );
  });

  it("finds every page by the index, and no other", async () => {
    await fc.assert(
      fc.asyncProperty(file, async ({ header, pages }) => {
        const bytes = await encoded(header, pages);
        const size = ltxTailSize(bytes.subarray(-LTX_END_SIZE), bytes.length);
        const index = readLtxIndex(bytes.subarray(-size), bytes.length);
        expect(index.length).toBe(pages.length);
        expect([...index.entries()].map(({ pgno }) => pgno)).toEqual(pages.map(({ pgno }) => pgno));
        for (const { pgno, data } of pages) {
          const { offset, size } = index.find(pgno)!;
          const read = decodeLtxPage(bytes.subarray(offset, offset + size), header.pageSize);
          expect(read.pgno).toBe(pgno);
          expect(Buffer.compare(read.data, data)).toBe(0);
        }
        const has = new Set(pages.map(({ pgno }) => pgno));
        for (let pgno = 0; pgno <= header.commit; pgno++)
          expect(index.find(pgno) !== undefined).toBe(has.has(pgno));
      }),
      { numRuns: 60 },
    );
  });

  it("holds for an index longer than its buffers, from a tail longer than the index", async () => {
    const data = new Uint8Array(512);
    const pages = Array.from({ length: 30_000 }, (_, at) => ({ pgno: 1 + at * 100_000, data }));
    const big = header({ commit: 2 ** 32 - 1 });
    const bytes = await encoded(big, pages);
    expect((await decoded(bytes, 50_000)).pages.length).toBe(30_000);
    const index = readLtxIndex(bytes, bytes.length);
    const last = index.find(pages.at(-1)!.pgno)!;
    expect(decodeLtxPage(bytes.subarray(last.offset, last.offset + last.size), 512).pgno).toBe(
      pages.at(-1)!.pgno,
    );
    expect(() => readLtxIndex(bytes.subarray(-5000), bytes.length)).toThrow(RangeError);
  });

  it("makes chunks of about 128 KiB", async () => {
    const pages = Array.from({ length: 2000 }, (_, at) => page(at + 1, 4096));
    const sizes: number[] = [];
    const source = encodeLtx(header({ pageSize: 4096, commit: 2000 }), pagesOf(pages));
    for await (const { length } of source) sizes.push(length);
    expect(Math.max(...sizes)).toBeLessThan(136 * 1024);
    expect(Math.min(...sizes.slice(0, 3))).toBeGreaterThanOrEqual(128 * 1024);
  });

  it("leaves out the lock page of a snapshot, also where it is the last", async () => {
    // The lock page is high up: only the largest page size makes it quick to reach.
    const lock = lockPage(65_536);
    const data = new Uint8Array(65_536);
    for (const commit of [lock, lock + 1]) {
      const all = Array.from({ length: commit }, (_, at) => ({ pgno: at + 1, data }));
      const without = all.filter(({ pgno }) => pgno !== lock);
      const big = header({ pageSize: 65_536, commit, minTxid: 1 });
      async function* batches() {
        for (const one of without) yield [one];
      }
      let count = 0;
      const { pages } = await decodeLtx(encodeLtx(big, batches()));
      for await (const batch of pages) count += batch.length;
      expect(count).toBe(without.length);
    }
  });
});

describe("encodeLtx refuses", () => {
  const pages = [1, 2, 3].map((pgno) => page(pgno));

  it.each([
    ["pages out of order", {}, [pages[1]!, pages[0]!]],
    ["a page twice", {}, [pages[0]!, pages[0]!]],
    ["page 0", {}, [page(0)]],
    ["a page beyond the end", { commit: 2 }, pages],
    ["a page of another size", {}, [page(1, 1024)]],
    ["the lock page", { commit: 2 ** 31 }, [page(lockPage(512))]],
    ["a snapshot without its first page", { minTxid: 1, commit: 3 }, pages.slice(1)],
    ["a snapshot without a page between", { minTxid: 1, commit: 3 }, [pages[0]!, pages[2]!]],
    ["a snapshot without its last page", { minTxid: 1, commit: 4 }, pages],
    ["a page size that SQLite does not have", { pageSize: 513 }, []],
    ["a length of 0", { commit: 0 }, []],
    ["transaction 0", { minTxid: 0 }, []],
    ["transactions out of order", { minTxid: 4 }, []],
    ["a transaction beyond 2^53", { maxTxid: 2 ** 53 }, []],
    ["a time before the epoch", { timestamp: -1 }, []],
    ["half a millisecond", { timestamp: 0.5 }, []],
  ])("%s", async (_, changes, pages) => {
    await expect(encoded(header(changes), pages)).rejects.toThrow(invalid);
  });
});

describe("the golden file", () => {
  const golden = new Uint8Array(readFileSync(join(ROOT, "test/golden/ltx-v3.ltx")));

  it("is read by today's decoder", async () => {
    expect(await decoded(golden)).toEqual(snapshot);
  });

  it("is what today's encoder makes", async () => {
    expect(Buffer.compare(await encoded(snapshot.header, snapshot.pages), golden)).toBe(0);
  });
});
