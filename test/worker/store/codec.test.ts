import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { gzipCompress, zstdCompress, zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { chanceOf } from "../../support/chance.ts";

const chance = chanceOf(20261128);

/** Text that hardly compresses: the length of the output then takes every value. */
const noise = Uint8Array.from({ length: 2_300_000 }, () => 33 + chance.below(90));

/** Yield the bytes in pieces that all share the same memory. */
async function* inPieces(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  const memory = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    memory.set(piece);
    yield memory.subarray(0, piece.length);
    memory.fill(0);
  }
}

const same = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

describe("compression in workerd", () => {
  it("ends a zstd frame wherever the output buffer ends", async () => {
    const broken: string[] = [];
    // With a small buffer, every position in it is reached many times.
    for (let length = 0; length < 1400; length++) {
      const bytes = noise.subarray(length, 2 * length);
      const stored = await gather(zstdCompress(inPieces(bytes, 1 + chance.below(300)), 1024));
      if (!same(await gather(zstdDecompress(inPieces(stored, 4096))), bytes))
        broken.push(`${length} bytes`);
    }
    expect(broken).toEqual([]);
  });

  it("makes whole frames of text of any length", async () => {
    for (let trial = 0; trial < 40; trial++) {
      const bytes = noise.subarray(0, 200_000 + chance.below(2_000_000));
      const stored = await gather(zstdCompress(inPieces(bytes, 128 * 1024)));
      const size = chance.of([4096, 65_536, 1024 * 1024, 8 * 1024 * 1024]);
      expect(same(await gather(zstdDecompress(inPieces(stored, size))), bytes)).toBe(true);
      const zipped = await gather(gzipCompress(inPieces(bytes, 128 * 1024)));
      expect(same(gunzipSync(zipped), bytes)).toBe(true);
    }
  });

  it("writes one frame, which other tools read", async () => {
    const bytes = noise.subarray(0, 700_001);
    const stored = await gather(zstdCompress(inPieces(bytes, 100_000)));
    expect(same(zstdDecompressSync(stored), bytes)).toBe(true);
    // RFC 8878, 3.1.1: the magic number, and a content checksum in the frame header's descriptor.
    expect([...stored.subarray(0, 4)]).toEqual([0x28, 0xb5, 0x2f, 0xfd]);
    expect(stored[4]! & 4).toBe(4);
  });

  it("passes a source's error on", async () => {
    async function* failing(): AsyncIterable<Uint8Array> {
      yield noise.subarray(0, 1000);
      throw new Error("the source broke");
    }
    await expect(gather(zstdCompress(failing()))).rejects.toThrow("the source broke");
  });
});
