import { crc64 } from "../../format/bytes/crc64.ts";

const MASK = (1n << 64n) - 1n;

/**
 * Compute the rolling checksum of sqld's log: CRC-64/GO-ISO over the page, its register started from the
 * bit-reversed checksum of the frame before; 0 before the first (libsql-server,
 * replication/primary/frame_injector and logger.rs).
 */
export function frameChecksum(page: Uint8Array, before: bigint): bigint {
  return crc64(page, ~reverseBits(before) & MASK);
}

function reverseBits(value: bigint): bigint {
  let reversed = 0n;
  for (let bit = 0; bit < 64; bit++) reversed = (reversed << 1n) | ((value >> BigInt(bit)) & 1n);
  return reversed;
}
