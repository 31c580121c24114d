import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { zstdDecompress } from "../../../src/cli/files/zstd.ts";
import { zstdCompress } from "../../../src/format/bytes/codec.ts";
import { seekableCompress } from "../../../src/format/bytes/seekable.ts";
import type { Page } from "../../../src/format/pages/page.ts";

/** What the command line decompresses with, against what compresses. */
async function* cut(bytes: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size);
}

async function gather(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(new Uint8Array(chunk));
  return Buffer.concat(chunks);
}

/** Text that compresses well, and bytes that do not. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.tuple(fc.string({ minLength: 1 }), fc.nat(60_000)).map(([text, times]) => {
        return Buffer.from(text.repeat(Math.ceil(times / text.length)));
      }),
    ),
    { maxLength: 5 },
  )
  .map((parts) => Buffer.concat([...parts, Buffer.alloc(512)]))
  .map((bytes) => bytes.subarray(0, bytes.length - (bytes.length % 512)));

/** The content as whole pages, as a snapshot has them. */
async function* pages(bytes: Uint8Array): AsyncIterable<readonly Page[]> {
  for await (const data of cut(bytes, 512)) yield [{ pgno: 1, data }];
}

const size = fc.integer({ min: 1, max: 70_000 });

describe("zstd frames are decompressed", () => {
  it("as they were compressed, wherever they are cut", async () => {
    const ways = [
      (bytes: Buffer) => gather(zstdCompress(cut(bytes, 10_000))),
      (bytes: Buffer) => gather(seekableCompress(pages(bytes), () => {})),
      (bytes: Buffer) => Promise.resolve(zstdCompressSync(bytes)),
    ];
    await fc.assert(
      fc.asyncProperty(content, size, fc.constantFrom(...ways), async (bytes, at, compress) => {
        const compressed = await compress(bytes);
        expect((await gather(zstdDecompress(cut(compressed, at)))).equals(bytes)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("in pieces, however far they expand", async () => {
    const compressed = zstdCompressSync(Buffer.alloc(100_000_000));
    let [bytes, longest] = [0, 0];
    for await (const chunk of zstdDecompress(cut(compressed, compressed.length))) {
      bytes += chunk.length;
      longest = Math.max(longest, chunk.length);
    }
    expect(bytes).toBe(100_000_000);
    expect(longest).toBeLessThan(1_000_000);
  });

  it("to their end, or not at all", async () => {
    const compressed = zstdCompressSync(Buffer.from("a line of SQL\n".repeat(5000)));
    for (const end of [4, 10, compressed.length >> 1, compressed.length - 5])
      await expect(gather(zstdDecompress(cut(compressed.subarray(0, end), 7)))).rejects.toThrow(
        /./,
      );
    await expect(gather(zstdDecompress(cut(Buffer.from("no zstd at all"), 5)))).rejects.toThrow(
      /./,
    );
  });
});
