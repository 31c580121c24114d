import { NightjarError } from "../../errors/errors.ts";
import { Crc64 } from "../bytes/crc64.ts";
import { lz4Bound, lz4Compress } from "../bytes/lz4-block.ts";
import type { Page } from "../pages/page.ts";
import { FrameList } from "./frame-list.ts";
import {
  CHECKSUM_FLAG,
  encodeLtxHeader,
  FLAG_SIZE,
  FRAME_HEADER_SIZE,
  INDEX_SIZE_SIZE,
  type LtxHeader,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from "./header.ts";
import { PageOrder } from "./page-order.ts";

const CHUNK = 128 * 1024;

/**
 * Write an LTX file. The pages must ascend, and a file whose `minTxid` is 1 needs all of them (but never
 * the lock page). The chunks, of about 128 KiB, share their memory: each is valid until the next one is
 * asked for. The same pages always give the same bytes.
 *
 * @throws NightjarError `PAGES_INVALID` for pages that cannot be in a file with this header
 */
export async function* encodeLtx(
  header: LtxHeader,
  pages: AsyncIterable<readonly Page[]>,
): AsyncIterable<Uint8Array> {
  const start = encodeLtxHeader(header);
  const { pageSize } = header;
  const room = FRAME_HEADER_SIZE + lz4Bound(pageSize);
  const order = new PageOrder(header, "PAGES_INVALID");
  const frames = new FrameList();
  // The checksum is over the file as it would be with uncompressed pages.
  const checksum = new Crc64();
  const chunk = new Uint8Array(CHUNK + room);
  const view = new DataView(chunk.buffer);
  chunk.set(start);
  checksum.update(start);
  let length = start.length;

  for await (const batch of pages) {
    for (const { pgno, data } of batch) {
      order.accept(pgno);
      if (data.length !== pageSize)
        throw new NightjarError(
          "PAGES_INVALID",
          `Page ${pgno} has ${data.length} bytes, not ${pageSize}.`,
        );
      const block = length + FRAME_HEADER_SIZE;
      const end = lz4Compress(data, chunk, block);
      view.setUint32(length, pgno);
      view.setUint16(length + 4, FLAG_SIZE);
      view.setUint32(length + PAGE_HEADER_SIZE, end - block);
      checksum.update(chunk.subarray(length, block));
      checksum.update(data);
      frames.add(pgno, end - length);
      length = end;
      if (length >= CHUNK) {
        yield chunk.subarray(0, length);
        length = 0;
      }
    }
  }
  order.end();
  if (length > 0) yield chunk.subarray(0, length);

  const noPage = new Uint8Array(PAGE_HEADER_SIZE);
  checksum.update(noPage);
  yield noPage;
  let indexSize = 0;
  for (const piece of frames.index()) {
    checksum.update(piece);
    indexSize += piece.length;
    yield piece;
  }
  yield encodeEnd(checksum, indexSize);
}

/** Write the size of the index, and the trailer. */
function encodeEnd(checksum: Crc64, indexSize: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_SIZE_SIZE + TRAILER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(indexSize));
  checksum.update(bytes.subarray(0, -8));
  view.setBigUint64(bytes.length - 8, checksum.digest() | CHECKSUM_FLAG);
  return bytes;
}
