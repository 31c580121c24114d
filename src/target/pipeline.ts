import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { readStart } from "../core/read-body.ts";
import { decodeRow, type Value, wordsOf } from "../libsql/hrana-messages.ts";
import { postProtobuf } from "../libsql/post-protobuf.ts";
import { refuseEncoding, refuseStatus } from "../libsql/refuse.ts";
import type { Source } from "../libsql/server.ts";
import { Watchdog } from "../libsql/watchdog.ts";
import { retryBusy } from "./retry-busy.ts";
import { asTargetError } from "./target-error.ts";

/** Bytes of the longest answer that is accepted: a whole schema, or a few pages, fit into it. */
const LONGEST_ANSWER = 16 * 1024 * 1024;

/** A statement of a batch. */
export interface Step {
  readonly sql: string;
  readonly args?: readonly Value[];
  /** Run it only while the transaction that was begun before is still open. */
  readonly inTransaction?: boolean;
}

/** A stream's request. A batch stops at its first failing step; a sequence at its first failing statement. */
export type Ask =
  | { readonly sequence: readonly Uint8Array[] }
  | { readonly batch: readonly Step[] }
  | { readonly close: true };

/**
 * The result of a request: the rows of each step of a batch (none for a sequence), or the server's words about
 * a step of it; no step where the transaction was over.
 */
export type Told =
  { readonly rows: readonly Value[][][] } | { readonly refused: string; readonly step?: number };

/** A stream's answers, and the baton that keeps the stream and its transaction for the next 10 s. */
export interface Answer {
  readonly told: readonly Told[];
  readonly baton: string | undefined;
}

/**
 * Send one request to a libSQL server's SQL over HTTP, in Protobuf (`POST /v3-protobuf/pipeline`). A stream
 * that is not closed and whose baton is not used ends after 10 s, and its transaction with it.
 *
 * @throws NightjarError `TARGET_UNREACHABLE`, `TARGET_UNAUTHORIZED`, `TARGET_NOT_FOUND`, `TARGET_FAILED`;
 *   after the last one it is unknown whether the server did it
 */
export function send(
  target: Source,
  deps: Deps,
  asks: readonly Ask[],
  baton?: string,
): Promise<Answer> {
  return retryBusy(deps, () => sendOnce(target, deps, asks, baton));
}

async function sendOnce(
  target: Source,
  deps: Deps,
  asks: readonly Ask[],
  baton: string | undefined,
): Promise<Answer> {
  const watchdog = new Watchdog(target.stallMs);
  try {
    const response = await postProtobuf(
      target,
      deps,
      watchdog,
      "/v3-protobuf/pipeline",
      encodeRequest(asks, baton),
    );
    if (response.status !== 200)
      await refuseStatus(target, response, watchdog, "POST /v3-protobuf/pipeline");
    refuseEncoding(response, "POST /v3-protobuf/pipeline");
    const { bytes, whole } = await watchdog.guard("SOURCE_CUT", () =>
      readStart(response.body, LONGEST_ANSWER),
    );
    if (!whole)
      throw new NightjarError(
        "SOURCE_CUT",
        `The server answered with more than ${LONGEST_ANSWER} bytes where a small answer was asked for.`,
      );
    const answer = decodeAnswer(bytes, asks);
    if (answer.told.length === asks.length) return answer;
    throw new NightjarError("SOURCE_CUT", "The server did not answer all that it was asked.");
  } catch (thrown) {
    throw asTargetError(target, thrown);
  } finally {
    watchdog.end();
  }
}

/**
 * Encode PipelineReqBody { baton = 1, requests = 2 }; StreamRequest { close = 1, batch = 3, sequence = 4 }
 */
function encodeRequest(asks: readonly Ask[], baton: string | undefined): Uint8Array {
  const request = new BinaryWriter();
  if (baton !== undefined) request.tag(1, WireType.LengthDelimited).string(baton);
  for (const ask of asks) {
    if ("sequence" in ask) {
      encodeSequence(request, ask.sequence);
      continue;
    }
    request.tag(2, WireType.LengthDelimited).fork();
    if ("close" in ask) request.tag(1, WireType.LengthDelimited).fork().join();
    else {
      request.tag(3, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
      ask.batch.forEach((step, at) => encodeStep(request, step, at));
      request.join().join();
    }
    request.join();
  }
  return request.finish();
}

/**
 * Encode StreamRequest { sequence = 4 }; SequenceStreamReq { sql = 1 }. The lengths are written in advance:
 * a fork of the writer would copy the text once for each level.
 */
function encodeSequence(request: BinaryWriter, pieces: readonly Uint8Array[]): void {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const sql = new BinaryWriter().tag(1, WireType.LengthDelimited).uint32(length).finish();
  const inner = sql.length + length;
  const sequence = new BinaryWriter().tag(4, WireType.LengthDelimited).uint32(inner).finish();
  request
    .tag(2, WireType.LengthDelimited)
    .uint32(sequence.length + inner)
    .raw(sequence)
    .raw(sql);
  for (const piece of pieces) request.raw(piece);
}

/**
 * Encode BatchStep { condition = 1, stmt = 2 }; BatchCond { step_ok = 1, not = 3, and = 4, is_autocommit =
 * 6 }; Stmt { sql = 1, args = 3, want_rows = 5 }
 */
function encodeStep(request: BinaryWriter, { sql, args, inTransaction }: Step, at: number): void {
  request.tag(1, WireType.LengthDelimited).fork();
  if (at > 0 || inTransaction === true) {
    request.tag(1, WireType.LengthDelimited).fork().tag(4, WireType.LengthDelimited).fork();
    if (at > 0)
      request
        .tag(1, WireType.LengthDelimited)
        .fork()
        .tag(1, WireType.Varint)
        .uint32(at - 1)
        .join();
    if (inTransaction === true) {
      request.tag(1, WireType.LengthDelimited).fork().tag(3, WireType.LengthDelimited).fork();
      request.tag(6, WireType.LengthDelimited).fork().join().join().join();
    }
    request.join().join();
  }
  request.tag(2, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(sql);
  for (const arg of args ?? []) {
    request.tag(3, WireType.LengthDelimited).fork();
    if (arg === null) request.tag(1, WireType.LengthDelimited).fork().join();
    else if (typeof arg === "bigint") request.tag(2, WireType.Varint).sint64(arg);
    else if (typeof arg === "number") request.tag(3, WireType.Bit64).double(arg);
    else if (typeof arg === "string") request.tag(4, WireType.LengthDelimited).string(arg);
    else request.tag(5, WireType.LengthDelimited).bytes(arg);
    request.join();
  }
  request.tag(5, WireType.Varint).bool(true).join().join();
}

/** Decode PipelineRespBody { baton = 1, base_url = 2, results = 3 } */
function decodeAnswer(bytes: Uint8Array, asks: readonly Ask[]): Answer {
  try {
    const told: Told[] = [];
    let baton: string | undefined;
    each(bytes, (field, value) => {
      if (field === 1) baton = new TextDecoder().decode(value);
      else if (field === 3) told.push(decodeResult(value, asks[told.length]));
    });
    return { told, baton };
  } catch (thrown) {
    throw new NightjarError("SOURCE_CUT", "The server's answer makes no sense.", { cause: thrown });
  }
}

/** Decode StreamResult { ok = 1, error = 2 }; StreamResponse { batch = 3 }; BatchStreamResp { result = 1 } */
function decodeResult(bytes: Uint8Array, ask: Ask | undefined): Told {
  const [field, value] = first(bytes);
  if (field === 2) return { refused: wordsOf(value) };
  if (ask === undefined || !("batch" in ask)) return { rows: [] };
  const [, response] = first(value);
  const [, result] = first(response);
  return decodeBatch(result, ask.batch.length);
}

/**
 * Decode BatchResult { step_results = 1, step_errors = 2 }, both maps { key = 1, value = 2 }; StmtResult {
 * rows = 2 }
 */
function decodeBatch(bytes: Uint8Array, steps: number): Told {
  const rows = new Map<number, Value[][]>();
  let refused: Told | undefined;
  each(bytes, (field, entry) => {
    let step = 0;
    let content: Uint8Array = new Uint8Array();
    const reader = new BinaryReader(entry);
    while (reader.pos < reader.len) {
      const [part, type] = reader.tag();
      if (part === 1) step = reader.uint32();
      else if (part === 2) content = reader.bytes();
      else reader.skip(type);
    }
    if (field === 2) refused ??= { refused: wordsOf(content), step };
    if (field !== 1) return;
    const found: Value[][] = [];
    each(content, (member, row) => {
      if (member === 2) found.push(decodeRow(row));
    });
    rows.set(step, found);
  });
  if (refused !== undefined) return refused;
  if (rows.size < steps)
    return { refused: "the transaction is over: another writer waited for longer than 5 s" };
  return { rows: Array.from({ length: steps }, (_, at) => rows.get(at)!) };
}

/** Call `read` with every member of a message that has a length, and skip the others. */
function each(bytes: Uint8Array, read: (field: number, value: Uint8Array) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) read(field, reader.bytes());
    else reader.skip(type);
  }
}

/** Return the first member of a message that has exactly one; field 0 for an empty message. */
function first(bytes: Uint8Array): [field: number, value: Uint8Array] {
  let found: [number, Uint8Array] = [0, new Uint8Array()];
  each(bytes, (field, value) => {
    if (found[0] === 0) found = [field, value];
  });
  return found;
}
