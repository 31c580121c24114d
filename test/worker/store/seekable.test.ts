import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Page } from "../../../src/format/pages/page.ts";
import {
  decodeFrameContent,
  decodeSeekTable,
  FRAME_CONTENT,
  seekableCompress,
  seekTableBytes,
} from "../../../src/format/bytes/seekable.ts";
import { readSnapshotFile } from "../../../src/store/snapshot-reader.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";

const { BUCKET } = env;

/** Make pages in which the first `noise` of every 16 bytes are random: 0 compresses best, 16 not at all. */
function pagesOf(count: number, noise: (pgno: number) => number): Page[] {
  return Array.from({ length: count }, (_, index) => {
    const data = new Uint8Array(4096).fill(index & 0xff);
    for (let at = 0; at < 4096; at += 16)
      crypto.getRandomValues(data.subarray(at, at + noise(index + 1)));
    return { pgno: index + 1, data };
  });
}

async function compressed(pages: Page[]): Promise<Uint8Array> {
  async function* batches() {
    for (let at = 0; at < pages.length; at += 50) yield pages.slice(at, at + 50);
  }
  return gather(seekableCompress(batches(), () => {}));
}

const joined = (pages: Page[]) =>
  gather(
    (async function* () {
      for (const { data } of pages) yield data;
    })(),
  );

describe("the seekable form of a snapshot", () => {
  it.each([
    ["nothing", 0, () => 0],
    ["one page", 1, () => 8],
    ["a whole frame", 64, () => 8],
    ["zeros", 3000, () => 0],
    ["noise", 3000, () => 16],
    ["text, and noise", 3001, (pgno: number) => (pgno * 7) % 17],
    ["every density in turn", 4000, (pgno: number) => Math.floor(pgno / 64) % 17],
  ])("is made of independent frames: %s", async (_what, count, noise) => {
    const pages = pagesOf(count, noise);
    const file = await compressed(pages);
    const raw = await joined(pages);

    const tail = file.subarray(file.length - seekTableBytes(raw.length));
    const { offsets, contentBytes } = decodeSeekTable(tail, file.length);
    expect(contentBytes).toBe(raw.length);
    expect(offsets.length).toBe(Math.ceil(raw.length / FRAME_CONTENT) + 1);
    for (let frame = 0; frame + 1 < offsets.length; frame++) {
      const expected = raw.subarray(frame * FRAME_CONTENT, (frame + 1) * FRAME_CONTENT);
      const bytes = file.subarray(offsets[frame], offsets[frame + 1]);
      expect(Buffer.compare(await decodeFrameContent(bytes, expected.length), expected)).toBe(0);
    }
  });

  it("ends in a frame of any length", async () => {
    for (let count = 1; count <= 64; count++)
      for (const noise of [0, 5, 16]) {
        const pages = pagesOf(count, () => noise);
        const file = await compressed(pages);
        const frame = file.subarray(0, file.length - seekTableBytes(count * 4096));
        const content = await decodeFrameContent(frame, count * 4096);
        expect(Buffer.compare(content, await joined(pages)), `${count} pages`).toBe(0);
      }
  });

  it("tells a flipped bit in a frame, and a seek table that is not its own", async () => {
    const file = await compressed(pagesOf(200, () => 8));
    const size = seekTableBytes(200 * 4096);
    const tail = file.slice(file.length - size);
    const { offsets } = decodeSeekTable(tail, file.length);
    const frame = file.slice(offsets[1], offsets[2]);
    for (let at = 0; at < frame.length; at += 997) {
      frame[at]! ^= 4;
      await expect(decodeFrameContent(frame, FRAME_CONTENT)).rejects.toMatchObject({
        code: "OBJECT_CORRUPT",
      });
      frame[at]! ^= 4;
    }
    for (let at = 0; at < size; at++) {
      tail[at]! ^= 1;
      const read = () => {
        // The length of the last frame follows from the length of the file.
        if (decodeSeekTable(tail, file.length).contentBytes !== 200 * 4096) throw new Error("seen");
      };
      expect(read, `byte ${at}`).toThrow();
      tail[at]! ^= 1;
    }
    expect(() => decodeSeekTable(tail, file.length + 1)).toThrow();
  });
});

describe("a stored snapshot", () => {
  it("is read whole, however its frames lie in it", async () => {
    const pages = pagesOf(8000, (pgno) => (pgno * 7) % 17);
    const raw = await joined(pages);
    const file = await compressed(pages);
    await BUCKET.put("manual/shop/large.db.zst", file);
    const key = "manual/shop/large.db.zst";
    const snapshot = { key, stored: { bytes: file.length }, raw: { bytes: raw.length } };
    expect(Buffer.compare(await gather(readSnapshotFile(BUCKET, snapshot)), raw)).toBe(0);

    file[Math.floor(file.length / 2)]! ^= 1;
    await BUCKET.put(key, file);
    await expect(gather(readSnapshotFile(BUCKET, snapshot))).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
    });
    await BUCKET.put(key, file.slice(1));
    await expect(gather(readSnapshotFile(BUCKET, snapshot))).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
    });
  });
});
