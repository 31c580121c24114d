import { Buffer } from "node:buffer";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import { ByteReader } from "../bytes/byte-reader.ts";
import { closable } from "../bytes/closable.ts";
import { Crc64 } from "../bytes/crc64.ts";
import { lz4Bound, lz4Decompress } from "../bytes/lz4-block.ts";
import type { Page } from "../pages/page.ts";
import { FrameList } from "./frame-list.ts";
import {
  CHECKSUM_FLAG,
  corrupt,
  decodeLtxHeader,
  FLAG_SIZE,
  FRAME_HEADER_SIZE,
  HEADER_SIZE,
  INDEX_SIZE_SIZE,
  type LtxHeader,
  PAGE_HEADER_SIZE,
  TRAILER_SIZE,
} from "./header.ts";
import { PageOrder } from "./page-order.ts";

const MAX_BATCH_PAGES = 64;
const MAX_BATCH_BYTES = 256 * 1024;

/**
 * Read an LTX file as it arrives. The pages come in ascending order, in batches of up to 64 (and 256 KiB)
 * whose memory is valid until the next batch is asked for. They end normally only when the whole file was
 * sound; do not trust them before that. Leaving them early closes the source.
 *
 * The file's checksum is over the pages, not over their compressed form. A change that decompresses to the
 * same bytes is not noticed, and does no harm.
 *
 * @throws NightjarError `OBJECT_CORRUPT`, here or among the pages, and whatever the source throws
 */
export async function decodeLtx(
  source: AsyncIterable<Uint8Array>,
): Promise<{ header: LtxHeader; pages: AsyncIterable<readonly Page[]> }> {
  const reader = new ByteReader(source);
  try {
    const start = await reader.read(HEADER_SIZE);
    const header = decodeLtxHeader(start);
    const checksum = new Crc64();
    checksum.update(start);
    const pages = readPages(header, reader, checksum);
    return { header, pages: closable(pages, () => reader.close()) };
  } catch (thrown) {
    await reader.close().catch(() => undefined);
    throw thrown;
  }
}

async function* readPages(
  header: LtxHeader,
  reader: ByteReader,
  checksum: Crc64,
): AsyncGenerator<readonly Page[]> {
  const { pageSize } = header;
  const order = new PageOrder(header, "OBJECT_CORRUPT");
  const frames = new FrameList();
  const maxBatch = Math.max(1, Math.min(MAX_BATCH_PAGES, MAX_BATCH_BYTES / pageSize));
  // Many small files may be open at once: the first batches are small.
  let memory = new Uint8Array(Math.min(4, maxBatch) * pageSize);
  let batch: Page[] = [];
  for (;;) {
    const pageHeader = reader.peek(PAGE_HEADER_SIZE) ?? (await reader.read(PAGE_HEADER_SIZE));
    if (pageHeader.length < PAGE_HEADER_SIZE) throw corrupt("ends before its index");
    checksum.update(pageHeader);
    const pgno = uint32(pageHeader, 0);
    const flags = (pageHeader[4]! << 8) | pageHeader[5]!;
    if (pgno === 0 && flags === 0) break;
    if (flags !== FLAG_SIZE) throw corrupt(`has a page with the flags ${flags}`);
    order.accept(pgno);

    const sizeBytes = reader.peek(4) ?? (await reader.read(4));
    if (sizeBytes.length < 4) throw corrupt(`ends inside of page ${pgno}`);
    checksum.update(sizeBytes);
    const size = uint32(sizeBytes, 0);
    if (size > lz4Bound(pageSize)) throw corrupt(`has a block of ${size} bytes for page ${pgno}`);
    const block = reader.peek(size) ?? (await reader.read(size));
    if (block.length < size) throw corrupt(`ends inside of page ${pgno}`);
    const data = memory.subarray(batch.length * pageSize, (batch.length + 1) * pageSize);
    unpack(pgno, block, data);
    checksum.update(data);
    frames.add(pgno, FRAME_HEADER_SIZE + size);
    batch.push({ pgno, data });
    if (batch.length * pageSize === memory.length) {
      yield batch;
      batch = [];
      if (memory.length < maxBatch * pageSize)
        memory = new Uint8Array(Math.min(maxBatch * pageSize, memory.length * 4));
    }
  }
  order.end();
  await readEnd(reader, frames, checksum);
  if (batch.length > 0) yield batch;
}

/** Check what follows the pages. All of it is known from them. */
async function readEnd(reader: ByteReader, frames: FrameList, checksum: Crc64): Promise<void> {
  let indexSize = 0;
  for (const piece of frames.index()) {
    const read = await reader.read(piece.length);
    if (Buffer.compare(read, piece) !== 0)
      throw corrupt(
        read.length < piece.length ? "ends inside of its index" : "has an index of other pages",
      );
    checksum.update(piece);
    indexSize += piece.length;
  }
  const end = await reader.read(INDEX_SIZE_SIZE + TRAILER_SIZE);
  if (end.length < INDEX_SIZE_SIZE + TRAILER_SIZE) throw corrupt("ends inside of its trailer");
  checksum.update(end.subarray(0, -8));
  const view = new DataView(end.buffer, end.byteOffset, end.length);
  if (view.getBigUint64(0) !== BigInt(indexSize)) throw corrupt("misstates the size of its index");
  if (view.getBigUint64(INDEX_SIZE_SIZE) !== 0n)
    throw corrupt("has a checksum that its flags rule out");
  if (view.getBigUint64(INDEX_SIZE_SIZE + 8) !== (checksum.digest() | CHECKSUM_FLAG))
    throw corrupt("does not have the checksum that it states");
  if ((await reader.read(1)).length > 0) throw corrupt("goes on after its trailer");
}

/**
 * Decode one page from its frame, which `LtxIndex` finds. A frame by itself has no checksum.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function decodeLtxPage(frame: Uint8Array, pageSize: number): Page {
  if (frame.length < FRAME_HEADER_SIZE) throw corrupt("has a frame that is cut short");
  const pgno = uint32(frame, 0);
  const flags = (frame[4]! << 8) | frame[5]!;
  if (pgno === 0 || flags !== FLAG_SIZE) throw corrupt("has no frame where its index says so");
  if (uint32(frame, PAGE_HEADER_SIZE) !== frame.length - FRAME_HEADER_SIZE)
    throw corrupt(`misstates the size of page ${pgno}`);
  const data = new Uint8Array(pageSize);
  unpack(pgno, frame.subarray(FRAME_HEADER_SIZE), data);
  return { pgno, data };
}

function unpack(pgno: number, block: Uint8Array, data: Uint8Array): void {
  let length: number;
  try {
    length = lz4Decompress(block, data);
  } catch (thrown) {
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `The LTX file has a broken page ${pgno}: ${messageOf(thrown)}`,
    );
  }
  if (length !== data.length) throw corrupt(`has only ${length} bytes for page ${pgno}`);
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
