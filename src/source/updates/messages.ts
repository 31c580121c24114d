import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { NightjarError } from "../../errors/errors.ts";
import { zstdBlock } from "../../format/bytes/zstd-block.ts";
import { MOST_PAGES, type Page } from "../../format/pages/page.ts";

/** Messages of `/pull-updates` (sync/engine/src/server_proto.rs of tursodatabase/turso). */

/** Bytes: the protocol has pages of this size and no other. */
export const PAGE_SIZE = 4096;

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
  /** True if each page is a zstd frame of its own. */
  readonly compressed: boolean;
}

/**
 * Encode PullUpdatesReqProtoBody { server_revision = 2, client_revision = 3, server_pages_selector = 5 }.
 * Field 1, encoding, is left out, which asks for plain pages: tursodb 0.6.0 fails if it is asked for others.
 */
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
 * @throws NightjarError `SOURCE_MVCC`; `PAGES_INVALID` for pages that need a dictionary, and for what makes no
 *   sense
 */
export function decodeHead(frame: Uint8Array): UpdatesHead {
  const head = decode(frame, (reader) => {
    const read = {
      ...{ revision: "", size: 0n, stream: 0, apply: 0, log: false, about: 0 },
      ...{ raw: false, zstd: false, dictionary: false },
    };
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) read.revision = reader.string();
      else if (field === 2) read.size = BigInt(reader.uint64());
      else if (field === 5) read.stream = reader.int32();
      else if (field === 6) read.apply = reader.int32();
      else if (field === 8) read.about = reader.int32();
      else if (field === 4) {
        read.zstd = true;
        read.dictionary ||= hasDictionary(reader.bytes());
      } else {
        if (field === 3) read.raw = true;
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
  if (head.dictionary || (head.raw && head.zstd))
    throw new NightjarError(
      "PAGES_INVALID",
      head.dictionary
        ? "The server compresses pages with other pages as a dictionary, which no source describes."
        : "The server says of its pages that they are compressed, and that they are not.",
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
    compressed: head.zstd,
  };
}

/** Return true if PageSetZstdEncodingProto { level = 1, pages_dict = 2 } names pages as a dictionary. */
function hasDictionary(encoding: Uint8Array): boolean {
  const reader = new BinaryReader(encoding);
  let found = false;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    found ||= field === 2;
    reader.skip(type);
  }
  return found;
}

/**
 * Decode PageData { page_id = 1, encoded_page = 2 }. The memory of a page that is not compressed is the
 * frame's.
 *
 * @throws NightjarError `PAGES_INVALID`, also for a compressed page that is cut, damaged or too large
 */
export function decodePage(frame: Uint8Array, { compressed }: UpdatesHead): Page {
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
    return { pgno: Number(id) + 1, data: compressed ? zstdBlock(data, PAGE_SIZE) : data };
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
