import { beforeAll, describe, expect, it } from "vitest";
import { decodeLtx, decodeLtxPage } from "../../../src/format/ltx/decode.ts";
import { decodeLtxHeader } from "../../../src/format/ltx/header.ts";
import { ltxTailSize, readLtxIndex } from "../../../src/format/ltx/index-tail.ts";
import { allPages, chunksOf, decoded, encoded, header, page, snapshot } from "../../support/ltx.ts";

const corrupt = expect.objectContaining({ code: "OBJECT_CORRUPT" }) as Error;

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
          // In a run of equal bytes, LZ4 has many encodings of the same content.
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
  /** Records what happened to a source. */
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
