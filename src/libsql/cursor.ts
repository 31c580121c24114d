import { copyOf } from "../format/bytes/bytes.ts";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { delimitedLength, framedBody } from "./framed-body.ts";
import { decodeRowFrame, type Value, wordsOf } from "./hrana-messages.ts";
import { postProtobuf } from "./post-protobuf.ts";
import { refuseEncoding, refuseStatus } from "./refuse.ts";
import type { Source } from "./server.ts";
import { Watchdog } from "./watchdog.ts";

/** One row of the answer to a statement. A blob is a view of memory that the next rows use again. */
export interface Row {
  /** The index of its statement, from 0. */
  statement: number;
  values: Value[];
}

/** Bytes that a read waits for, except the last one. */
const READ_AT_LEAST = 64 * 1024;
/** Rows after which a server that was asked for one row is not read any longer. */
const SMALL_ANSWER = 100;
/** The time for which a server keeps an unused connection, ms. */
const KEPT = 10_000;

/**
 * Run statements one after the other on one connection over Hrana's cursor in Protobuf
 * (`POST /v3-protobuf/cursor`; messages in hrana/src/proto of tursodatabase/libsql), which streams
 * rows without a limit. Yields the rows as they come, many at a time.
 *
 * @throws NightjarError `SOURCE_NOT_FOUND` where the server has no such address, `SOURCE_ERROR` with
 * the server's words when a statement fails, `SOURCE_CUT` when not all statements were answered
 */
export async function* readRows(
  source: Source,
  deps: Deps,
  statements: readonly string[],
): AsyncIterable<Row[]> {
  const watchdog = new Watchdog(source.stallMs);
  try {
    const response = await postProtobuf(
      source,
      deps,
      watchdog,
      "/v3-protobuf/cursor",
      encodeRequest(statements),
    );
    if (response.status !== 200 || response.body === null)
      await refuseStatus(source, response, watchdog, "POST /v3-protobuf/cursor");
    refuseEncoding(response, "POST /v3-protobuf/cursor");

    let head: Uint8Array | undefined;
    let statement = -1;
    let ended = 0;
    for await (const frames of framedBody(
      response.body!,
      watchdog,
      delimitedLength,
      READ_AT_LEAST,
    )) {
      const rows: Row[] = [];
      for (const frame of frames) {
        if (head === undefined) {
          head = copyOf(frame); // the next frames use its memory again
          continue;
        }
        const entry = decodeEntry(frame);
        if (entry.begin !== undefined) statement = entry.begin;
        else if (entry.ended) ended++;
        else if (entry.row !== undefined) rows.push({ statement, values: entry.row });
      }
      if (rows.length > 0) yield rows;
    }
    if (ended !== statements.length)
      throw new NightjarError("SOURCE_CUT", "The server's answer ended before its last statement.");
    await close(source, deps, batonOf(head!));
  } finally {
    watchdog.end();
  }
}

/**
 * Give a connection back. One that is not closed stays for 10 s, and sqld has 128 for all clients
 * (`--max-concurrent-connections`): later clients wait. Does not throw.
 */
async function close(source: Source, deps: Deps, baton: string | undefined): Promise<void> {
  if (baton === undefined) return;
  const watchdog = new Watchdog(Math.min(source.stallMs, KEPT));
  try {
    const response = await postProtobuf(
      source,
      deps,
      watchdog,
      "/v3-protobuf/pipeline",
      encodeClose(baton),
    );
    await response.body?.cancel();
  } catch {
    // what was read is complete nevertheless
  } finally {
    watchdog.end();
  }
}

/** Read the one row of a small answer; undefined if there is none. */
export async function readRow(
  source: Source,
  deps: Deps,
  statement: string,
): Promise<Value[] | undefined> {
  let first: Value[] | undefined;
  let rows = 0;
  for await (const batch of readRows(source, deps, [statement])) {
    first ??= batch[0]!.values;
    rows += batch.length;
    if (rows > SMALL_ANSWER)
      throw new NightjarError("PAGES_INVALID", "The server goes on where one row was asked for.");
  }
  return first;
}

function senseless(cause: unknown): NightjarError {
  return new NightjarError("PAGES_INVALID", "The server's answer to a cursor makes no sense.", {
    cause,
  });
}

/**
 * Encode CursorReqBody { batch = 2 }; Batch { steps = 1 }; BatchStep { stmt = 2 }; Stmt { sql = 1,
 * want_rows = 5 }
 */
function encodeRequest(statements: readonly string[]): Uint8Array {
  const request = new BinaryWriter().tag(2, WireType.LengthDelimited).fork();
  for (const sql of statements) {
    request.tag(1, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).fork();
    request.tag(1, WireType.LengthDelimited).string(sql).tag(5, WireType.Varint).bool(true);
    request.join().join();
  }
  return request.join().finish();
}

/** Encode PipelineReqBody { baton = 1, requests = 2 }; StreamRequest { close = 1 } */
function encodeClose(baton: string): Uint8Array {
  const request = new BinaryWriter().tag(1, WireType.LengthDelimited).string(baton);
  request.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
  return request.join().join().finish();
}

/** Read the baton, which names the connection, from the answer's head: CursorRespBody { baton = 1 } */
function batonOf(frame: Uint8Array): string | undefined {
  try {
    const reader = new BinaryReader(frame);
    reader.uint32(); // the frame's own length
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) return reader.string();
      reader.skip(type);
    }
    return undefined;
  } catch (thrown) {
    throw senseless(thrown);
  }
}

interface Entry {
  begin?: number;
  ended?: boolean;
  row?: Value[];
}

/** Decode CursorEntry { step_begin = 1, step_end = 2, step_error = 3, row = 4, error = 5 } */
function decodeEntry(frame: Uint8Array): Entry {
  try {
    const row = decodeRowFrame(frame);
    if (row !== undefined) return { row };
    const reader = new BinaryReader(frame);
    reader.uint32(); // the frame's own length
    if (reader.pos === reader.len) return {}; // the last one of a database that was never written to
    const [field, type] = reader.tag();
    const bytes = type === WireType.LengthDelimited ? reader.bytes() : new Uint8Array();
    if (field === 1) return { begin: stepOf(bytes) };
    if (field === 2) return { ended: true };
    if (field === 3 || field === 5)
      throw new NightjarError("SOURCE_ERROR", `The server refused a statement: ${wordsOf(bytes)}`);
    return {};
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw senseless(thrown);
  }
}

/** Decode StepBeginEntry { step = 1 } */
function stepOf(bytes: Uint8Array): number {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) return reader.uint32();
    reader.skip(type);
  }
  return 0;
}
