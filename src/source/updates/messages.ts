import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NightjarError } from "../../errors/errors.ts";
import { MOST_PAGES, type Page } from "../../format/pages/page.ts";

/** Messages of `/pull-updates` (sync/engine/src/server_proto.rs of tursodatabase/turso). */

/** What is asked for. */
export interface UpdatesRequest {
  /** The revision to read; the newest if undefined. */
  readonly at?: string;
  /** The revision from which on changes are wanted; the whole database if undefined. */
  readonly since?: string;
  /** The pages that are wanted, as `selectPages` makes them; all if undefined. */
  readonly pages?: Uint8Array;
}

/** The head of an answer. */
export interface UpdatesHead {
  /** The revision that was read: the `since` of a later request. */
  readonly revision: string;
  readonly pageCount: number;
  /** True if the pages are to replace the whole database, whatever `since` was. */
  readonly replaces: boolean;
}

/** Encode PullUpdatesReqProtoBody { server_revision = 2, client_revision = 3, server_pages_selector = 5 } */
export function encodeRequest({ at, since, pages }: UpdatesRequest): Uint8Array {
  const writer = new BinaryWriter();
  if (at !== undefined) writer.tag(2, WireType.LengthDelimited).string(at);
  if (since !== undefined) writer.tag(3, WireType.LengthDelimited).string(since);
  if (pages !== undefined) writer.tag(5, WireType.LengthDelimited).bytes(pages);
  return writer.finish();
}

/** Values of fields 5 (stream_kind) and 8 (protocol) of an answer about an MVCC database. */
const MVCC_STREAM = 1;
const MVCC_PROTOCOL = 2;
/** Value of field 6 (apply_mode). */
const REPLACE_BASE = 1;

/**
 * Decode PullUpdatesRespProtoBody { server_revision = 1, db_size = 2, raw_encoding = 3, zstd_encoding = 4,
 * stream_kind = 5, apply_mode = 6, mvcc_log = 7, protocol = 8 }
 *
 * @param frame with its length before it
 * @throws NightjarError `SOURCE_MVCC`; `PAGES_INVALID` for pages in another form than was asked for, and for
 *   what makes no sense
 */
export function decodeHead(frame: Uint8Array): UpdatesHead {
  const head = decode(frame, (reader) => {
    const read = { revision: "", size: 0n, zstd: false, stream: 0, apply: 0, log: false, about: 0 };
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) read.revision = reader.string();
      else if (field === 2) read.size = BigInt(reader.uint64());
      else if (field === 5) read.stream = reader.int32();
      else if (field === 6) read.apply = reader.int32();
      else if (field === 8) read.about = reader.int32();
      else {
        if (field === 4) read.zstd = true;
        if (field === 7) read.log = true;
        reader.skip(type);
      }
    }
    return read;
  });
  if (head.stream === MVCC_STREAM || head.log || head.about === MVCC_PROTOCOL)
    throw new NightjarError(
      "SOURCE_MVCC",
      "The server says that the database is in MVCC mode of Turso's engine: its pages hold only a part of its rows.",
    );
  if (head.zstd)
    throw new NightjarError(
      "PAGES_INVALID",
      "The server was asked for plain pages and sent them compressed.",
    );
  if (head.size > BigInt(MOST_PAGES))
    throw new NightjarError(
      "PAGES_INVALID",
      `The server tells of ${head.size} pages, which no database has.`,
    );
  return {
    revision: head.revision,
    pageCount: Number(head.size),
    replaces: head.apply === REPLACE_BASE,
  };
}

/**
 * Decode PageData { page_id = 1, encoded_page = 2 }. The page's memory is the frame's.
 *
 * @throws NightjarError `PAGES_INVALID`
 */
export function decodePage(frame: Uint8Array): Page {
  return decode(frame, (reader) => {
    let id = 0n;
    let data: Uint8Array | undefined;
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) id = BigInt(reader.uint64());
      else if (field === 2) data = reader.bytes();
      else reader.skip(type);
    }
    if (data === undefined || id >= BigInt(MOST_PAGES)) throw new Error(`page ${id}`);
    return { pgno: Number(id) + 1, data };
  });
}

/** @throws NightjarError `PAGES_INVALID` */
function decode<T>(frame: Uint8Array, read: (reader: BinaryReader) => T): T {
  try {
    const reader = new BinaryReader(frame);
    reader.uint32(); // the frame's own length
    return read(reader);
  } catch (thrown) {
    throw new NightjarError("PAGES_INVALID", "The server's answer with pages makes no sense.", {
      cause: thrown,
    });
  }
}
