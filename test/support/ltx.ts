import { decodeLtx } from "../../src/format/ltx/decode.ts";
import { encodeLtx } from "../../src/format/ltx/encode.ts";
import type { LtxHeader } from "../../src/format/ltx/header.ts";
import type { Page } from "../../src/format/pages/page.ts";
import { gather } from "../../src/format/bytes/bytes.ts";

/** Yield `pages` in batches; the memory of a batch is overwritten when the next one is requested. */
export async function* pagesOf(pages: readonly Page[], batch = 64): AsyncIterable<readonly Page[]> {
  for (let at = 0; at < pages.length; at += batch) {
    const lent = pages
      .slice(at, at + batch)
      .map(({ pgno, data }) => ({ pgno, data: data.slice() }));
    yield lent;
    for (const page of lent) page.data.fill(0xee);
  }
}

/** Yield the bytes in chunks whose memory is overwritten when the next one is requested. */
export async function* chunksOf(bytes: Uint8Array, size = 1000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    const lent = bytes.slice(at, at + size);
    yield lent;
    lent.fill(0xee);
  }
}

export async function encoded(
  header: LtxHeader,
  pages: readonly Page[],
  batch?: number,
): Promise<Uint8Array> {
  return gather(encodeLtx(header, pagesOf(pages, batch)));
}

/** Copy all pages. */
export async function allPages(batches: AsyncIterable<readonly Page[]>): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const batch of batches)
    for (const { pgno, data } of batch) pages.push({ pgno, data: data.slice() });
  return pages;
}

export async function decoded(bytes: Uint8Array, chunk?: number) {
  const { header, pages } = await decodeLtx(chunksOf(bytes, chunk));
  return { header, pages: await allPages(pages) };
}

/** Build a header with these changes. */
export function header(changes: Partial<LtxHeader> = {}): LtxHeader {
  const timestamp = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  return { pageSize: 512, commit: 5, minTxid: 2, maxTxid: 3, timestamp, ...changes };
}

/** Build a page that is partly noise and partly repetition, always the same. */
export function page(pgno: number, pageSize = 512, seed = 1): Page {
  let state = Math.imul(pgno, 0x9e3779b1) ^ seed;
  const data = Uint8Array.from({ length: pageSize }, (_, at) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return at % 64 < 10 ? state >>> 24 : pgno;
  });
  return { pgno, data };
}

/** The file in test/golden. */
export const snapshot = {
  header: header({ minTxid: 1 }),
  pages: [1, 2, 3, 4, 5].map((n) => page(n)),
};
