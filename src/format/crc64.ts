const T = Array.from({ length: 256 }, (_, i) => { let c = BigInt(i); for (let k = 0; k < 8; k++) c = c & 1n ? (c >> 1n) ^ 0xd800000000000000n : c >> 1n; return c; });
const M = (1n << 64n) - 1n;
export function crc64(data: Uint8Array, from = 0n): bigint { let c = ~from & M; for (const b of data) c = T[Number((c ^ BigInt(b)) & 255n)]! ^ (c >> 8n); return ~c & M; }
