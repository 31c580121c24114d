import { execFileSync } from "node:child_process";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Page } from "../../../src/format/pages/page.ts";
import { seekableCompress } from "../../../src/format/bytes/seekable.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";

async function* pagesOf(count: number): AsyncIterable<Page[]> {
  for (let pgno = 1; pgno <= count; pgno++) {
    const data = new Uint8Array(4096).fill(pgno & 0xff);
    const noise = (pgno * 7) % 17;
    for (let at = 0; at < 4096; at += 16) crypto.getRandomValues(data.subarray(at, at + noise));
    yield [{ pgno, data }];
  }
}

function hasZstd(): boolean {
  try {
    execFileSync("zstd", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("the seekable form of a snapshot", () => {
  it.each([1, 64, 65, 6000])("is a file that zstd reads whole: %i pages", async (count) => {
    const contents: Buffer[] = [];
    const file = await gather(
      seekableCompress(pagesOf(count), (content) => void contents.push(Buffer.from(content))),
    );
    const raw = Buffer.concat(contents);
    expect(raw.length).toBe(count * 4096);
    expect(Buffer.compare(zstdDecompressSync(file), raw)).toBe(0);
    if (!hasZstd()) return; // zstd is not everywhere; Node's is the same library
    const out = execFileSync("zstd", ["-d", "-c"], { input: file, maxBuffer: 1e9 });
    expect(Buffer.compare(out, raw)).toBe(0);
  });
});
