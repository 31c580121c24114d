import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NightjarError } from "../../errors/errors.ts";

/*
 * The messages of libSQL's replication service (libsql-replication/proto/replication_log.proto of
 * tursodatabase/libsql), as far as they are used here.
 */

/** The server's answer about its log. */
export interface Hello {
  logId: string;
  /** To be sent back with every other call. */
  sessionToken: string;
  /** The last frame of the log; undefined for a database that nothing was ever written to. */
  index: number | undefined;
}

/** One page as a transaction left it. */
export interface Frame {
  frame: number;
  checksum: bigint;
  pgno: number;
  /** Pages of the database after the transaction that this frame completes; 0 within one. */
  sizeAfter: number;
  /** The time of the commit by the server's clock, ms since the epoch, if the server still knows it. */
  at: number | null;
  /** A view of the message. */
  page: Uint8Array;
}

/** Bytes of every page in sqld's databases. */
export const REPLICA_PAGE_SIZE = 4096;
const FRAME_HEADER = 24;

export function encodeHelloRequest(): Uint8Array {
  return new BinaryWriter().tag(1, WireType.Varint).uint64(1).finish(); // handshake_version
}

export function encodeLogOffset(nextFrame: number): Uint8Array {
  return new BinaryWriter().tag(1, WireType.Varint).uint64(nextFrame).finish();
}

/** @throws NightjarError `PAGES_INVALID` */
export function decodeHello(bytes: Uint8Array): Hello {
  const hello: Hello = { logId: "", sessionToken: "", index: undefined };
  eachField(bytes, "Hello", (field, reader, type) => {
    if (field === 3) hello.logId = reader.string();
    else if (field === 4) hello.sessionToken = new TextDecoder().decode(reader.bytes());
    else if (field === 5) hello.index = safeNumber(reader.uint64());
    else reader.skip(type); // `config` may carry a key: it is never kept
  });
  if (hello.logId === "") throw new NightjarError("PAGES_INVALID", "Hello named no log.");
  return hello;
}

/** @throws NightjarError `PAGES_INVALID` */
export function decodeFrame(bytes: Uint8Array): Frame {
  let data: Uint8Array | undefined;
  let at: number | null = null;
  eachField(bytes, "a frame", (field, reader, type) => {
    if (field === 1) data = reader.bytes();
    else if (field === 2) at = Number(reader.int64()) || null;
    else reader.skip(type);
  });
  if (data?.length !== FRAME_HEADER + REPLICA_PAGE_SIZE)
    throw new NightjarError("PAGES_INVALID", `The server sent a frame of ${data?.length} bytes.`);
  const view = new DataView(data.buffer, data.byteOffset);
  return {
    frame: safeNumber(view.getBigUint64(0, true)),
    checksum: view.getBigUint64(8, true),
    pgno: view.getUint32(16, true),
    sizeAfter: view.getUint32(20, true),
    at,
    page: data.subarray(FRAME_HEADER),
  };
}

/** @throws NightjarError `PAGES_INVALID` for a number that no log reaches */
function safeNumber(value: bigint | string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new NightjarError("PAGES_INVALID", `The server numbers a frame ${value}.`);
}

function eachField(
  bytes: Uint8Array,
  what: string,
  take: (field: number, reader: BinaryReader, type: WireType) => void,
): void {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      take(field, reader, type);
    }
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw new NightjarError("PAGES_INVALID", `The server's message (${what}) makes no sense.`, {
      cause: thrown,
    });
  }
}
