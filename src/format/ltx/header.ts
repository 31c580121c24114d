import { type ErrorCode, NightjarError } from "../../errors/errors.ts";

/**
 * LTX version 3 (https://github.com/superfly/ltx): pages of an SQLite database as they were after a
 * range of transactions. A file is a header, a frame for each page in ascending order (page header,
 * size, LZ4 block), an empty page header, an index of the frames, and a trailer. All integers are
 * big-endian.
 */

/** The header of an LTX file. */
export interface LtxHeader {
  /** Bytes: a power of two from 512 to 65,536. */
  readonly pageSize: number;
  /** The database's length after these transactions, in pages. */
  readonly commit: number;
  /** The first transaction; 1 makes the file a snapshot, which has every page. */
  readonly minTxid: number;
  readonly maxTxid: number;
  /** The time when the last transaction was committed, ms since the epoch. */
  readonly timestamp: number;
}

export const HEADER_SIZE = 100;
/** Page number (4 bytes), flags (2 bytes). */
export const PAGE_HEADER_SIZE = 6;
/** A page header and the size of the block that follows (4 bytes). */
export const FRAME_HEADER_SIZE = PAGE_HEADER_SIZE + 4;
/** The size of the index (8 bytes), between the index and the trailer. */
export const INDEX_SIZE_SIZE = 8;
/** The database's checksum (8 bytes, 0 where none is kept) and the file's (8 bytes). */
export const TRAILER_SIZE = 16;
/** `PageHeaderFlagSize`: the frame holds its size and an LZ4 block. */
export const FLAG_SIZE = 1;
/** Set in every checksum, so that none is 0. */
export const CHECKSUM_FLAG = 1n << 63n;

const MAGIC = 0x4c54_5831; // "LTX1"
/** `HeaderFlagNoChecksum`: no checksum over the database is kept from file to file. */
const FLAG_NO_CHECKSUM = 2;
const MAX_PAGE = 0xffff_ffff;
const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];

/** @throws NightjarError `PAGES_INVALID` when no file may have this header */
export function encodeLtxHeader(header: LtxHeader): Uint8Array {
  check(header, "PAGES_INVALID");
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, FLAG_NO_CHECKSUM);
  view.setUint32(8, header.pageSize);
  view.setUint32(12, header.commit);
  view.setBigUint64(16, BigInt(header.minTxid));
  view.setBigUint64(24, BigInt(header.maxTxid));
  view.setBigUint64(32, BigInt(header.timestamp));
  return bytes;
}

/**
 * Read the header at the start of `bytes`.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export function decodeLtxHeader(bytes: Uint8Array): LtxHeader {
  if (bytes.length < HEADER_SIZE) throw corrupt("ends inside of its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE);
  if (view.getUint32(0) !== MAGIC) throw corrupt('does not begin with "LTX1"');
  if (view.getUint32(4) !== FLAG_NO_CHECKSUM)
    throw corrupt(`has the flags ${view.getUint32(4)}: Nightjar reads ${FLAG_NO_CHECKSUM}`);
  if (view.getBigUint64(40) !== 0n) throw corrupt("has a checksum that its flags rule out");
  const header = {
    pageSize: view.getUint32(8),
    commit: view.getUint32(12),
    minTxid: Number(view.getBigUint64(16)),
    maxTxid: Number(view.getBigUint64(24)),
    timestamp: Number(view.getBigInt64(32)),
  };
  check(header, "OBJECT_CORRUPT");
  return header;
}

export function isSnapshot(header: LtxHeader): boolean {
  return header.minTxid === 1;
}

/** @param what completes the sentence "The LTX file …" */
export function corrupt(what: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", `The LTX file ${what}.`);
}

function check(header: LtxHeader, code: ErrorCode): void {
  const { pageSize, commit, minTxid, maxTxid, timestamp } = header;
  const refuse = (what: string) => new NightjarError(code, `An LTX file cannot have ${what}.`);
  if (!PAGE_SIZES.includes(pageSize)) throw refuse(`the page size ${pageSize}`);
  if (!Number.isInteger(commit) || commit < 1 || commit > MAX_PAGE)
    throw refuse(`a length of ${commit} pages`);
  if (!Number.isSafeInteger(maxTxid) || !(minTxid >= 1 && minTxid <= maxTxid) || minTxid % 1 !== 0)
    throw refuse(`the transactions ${minTxid} to ${maxTxid}`);
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw refuse(`the time ${timestamp}`);
}
