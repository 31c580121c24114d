import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../scripts/lib/paths.ts";
import { decodeLtx, decodeLtxPage } from "../../src/format/ltx/decode.ts";
import { encodeLtx } from "../../src/format/ltx/encode.ts";
import { decodeLtxHeader, type LtxHeader } from "../../src/format/ltx/header.ts";
import { LTX_END_SIZE, ltxTailSize, readLtxIndex } from "../../src/format/ltx/index-tail.ts";
import { lockPage, type Page } from "../../src/format/page.ts";
import { allPages, chunksOf, decoded, encoded, pagesOf } from "../support/ltx.ts";

const corrupt = expect.objectContaining({ code: "OBJECT_CORRUPT" }) as Error;
const invalid = expect.objectContaining({ code: "PAGES_INVALID" }) as Error;

function header(changes: Partial<LtxHeader> = {}): LtxHeader {
  const timestamp = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  return { pageSize: 512, commit: 5, minTxid: 2, maxTxid: 3, timestamp, ...changes };
}

/** A page that is partly noise and partly repetition, always the same. */
function page(pgno: number, pageSize = 512, seed = 1): Page {
  let state = Math.imul(pgno, 0x9e3779b1) ^ seed;
  const data = Uint8Array.from({ length: pageSize }, (_, at) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return at % 64 < 10 ? state >>> 24 : pgno;
  });
  return { pgno, data };
}

const snapshot = { header: header({ minTxid: 1 }), pages: [1, 2, 3, 4, 5].map((n) => page(n)) };

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

describe("an altered file", () => {
  let bytes: Uint8Array;
  let blocks: { from: number; to: number }[];

  beforeAll(async () => {
    bytes = await encoded(snapshot.header, snapshot.pages);
    const index = readLtxIndex(bytes, bytes.length);
    blocks = [...index.entries()].map((at) => ({ from: at.offset + 10, to: at.offset + at.size }));
  });

  it("is detected whichever bit was flipped, unless it says the same in other words", async () => {
    let harmless = 0;
    for (let at = 0; at < bytes.length; at++)
      for (let bit = 0; bit < 8; bit++) {
        const flipped = bytes.slice();
        flipped[at]! ^= 1 << bit;
        const outcome = await decoded(flipped).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toMatchObject({ code: "OBJECT_CORRUPT" });
        else {
          // In a run of equal bytes LZ4 has many ways to say the same.
          expect(blocks.some(({ from, to }) => at >= from && at < to)).toBe(true);
          expect(outcome).toEqual(snapshot);
          harmless++;
        }
      }
    expect(harmless).toBeLessThan(bytes.length / 10);
  });

  it("is detected wherever it was cut off, and when something was added", async () => {
    for (let length = 0; length < bytes.length; length++)
      for (const chunk of [1, 97, 5000])
        await expect(decoded(bytes.subarray(0, length), chunk)).rejects.toThrow(corrupt);
    await expect(decoded(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow(corrupt);
    await expect(decoded(Buffer.concat([bytes, bytes]))).rejects.toThrow(corrupt);
  });

  it("is detected for a wrong size of the index, on which random access relies", async () => {
    const changed = bytes.slice();
    changed[bytes.length - 17]! ^= 1;
    await expect(decoded(changed)).rejects.toThrow(/misstates the size of its index/);
  });

  it("is detected when it lacks the pages of a snapshot, all else being sound", async () => {
    const short = await encoded(header({ minTxid: 2 }), snapshot.pages.slice(0, 4));
    new DataView(short.buffer).setBigUint64(16, 1n);
    await expect(decoded(short)).rejects.toThrow(/Page 5 is missing/);
  });

  it("is detected in the header and in the index that are read by themselves", () => {
    for (const [at, to] of [
      [0, 0],
      [7, 0],
      [11, 3],
      [15, 0],
      [23, 0],
      [23, 4],
      [47, 1],
    ] as const) {
      const changed = bytes.slice();
      changed[at] = to;
      if (at === 15) changed.fill(0, 12, 16);
      expect(() => decodeLtxHeader(changed)).toThrow(corrupt);
    }
    expect(() => decodeLtxHeader(bytes.subarray(0, 99))).toThrow(corrupt);
    expect(() => ltxTailSize(bytes.subarray(-23), bytes.length)).toThrow(corrupt);

    const size = ltxTailSize(bytes, bytes.length);
    for (let at = bytes.length - size; at < bytes.length - 16; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1;
      expect(() => readLtxIndex(changed, changed.length)).toThrow();
    }
    const endless = bytes.slice();
    endless[bytes.length - 20] = 1;
    expect(() => ltxTailSize(endless, bytes.length)).toThrow(corrupt);
    const unsigned = bytes.slice();
    unsigned[bytes.length - 8]! &= 0x7f;
    expect(() => ltxTailSize(unsigned, bytes.length)).toThrow(corrupt);
  });

  it("is detected in a frame that is read by itself", () => {
    const { offset, size } = readLtxIndex(bytes, bytes.length).find(3)!;
    const frame = bytes.subarray(offset, offset + size);
    expect(decodeLtxPage(frame, 512)).toEqual(page(3));
    expect(() => decodeLtxPage(frame, 1024)).toThrow(corrupt);
    const longer = bytes.subarray(offset, offset + size + 1);
    for (const wrong of [frame.subarray(0, -1), longer])
      expect(() => decodeLtxPage(wrong, 512)).toThrow(/misstates the size of page 3/);
    expect(() => decodeLtxPage(frame.subarray(0, 9), 512)).toThrow(corrupt);
    expect(() => decodeLtxPage(bytes.subarray(offset + 1, offset + size), 512)).toThrow(corrupt);
  });
});

describe("the source of decodeLtx", () => {
  /** What a source went through. */
  function watched(bytes: Uint8Array) {
    const state = { closed: false };
    async function* source() {
      try {
        yield* chunksOf(bytes, 600);
      } finally {
        state.closed = true;
      }
    }
    return { state, source: source() };
  }

  it("is closed when the pages are left early, even before the first", async () => {
    const bytes = await encoded(snapshot.header, snapshot.pages);
    for (const wanted of [0, 1]) {
      const { state, source } = watched(bytes);
      const { pages } = await decodeLtx(source);
      const iterator = pages[Symbol.asyncIterator]();
      for (let batch = 0; batch < wanted; batch++) await iterator.next();
      expect(state.closed).toBe(false);
      await iterator.return!();
      expect(state.closed).toBe(true);
      expect(await iterator.next()).toMatchObject({ done: true });
    }
  });

  it("is closed when the file turns out to be broken", async () => {
    const bytes = await encoded(snapshot.header, snapshot.pages);
    bytes[120]! ^= 255;
    const broken = watched(bytes);
    const { pages } = await decodeLtx(broken.source);
    await expect(allPages(pages)).rejects.toThrow(corrupt);
    expect(broken.state.closed).toBe(true);
    const headless = watched(new Uint8Array(5000));
    await expect(decodeLtx(headless.source)).rejects.toThrow(corrupt);
    expect(headless.state.closed).toBe(true);
  });

  it("may fail: its error comes through", async () => {
    const bytes = await encoded(snapshot.header, snapshot.pages);
    async function* source() {
      yield bytes.subarray(0, 700);
      throw new Error("The bucket is gone.");
    }
    const { pages } = await decodeLtx(source());
    await expect(allPages(pages)).rejects.toThrow("The bucket is gone.");
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
