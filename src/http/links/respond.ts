import { record, recordOrLog } from "../../audit/record.ts";
import { log } from "../../core/log.ts";
import { PATIENCE } from "../../core/memory-budget.ts";
import { asNightjarError } from "../../errors/errors.ts";
import type { Act, Detail } from "../../model/audit.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Derived } from "../../read/derive.ts";
import { fileRange, SMALL_RANGE } from "../../read/file-range.ts";
import type { Stored } from "../../read/stored.ts";
import { readObject, type Span } from "../../store/read.ts";
import type { Context } from "../../worker/context.ts";
import { DOWNLOADS, rangeCost } from "../../worker/memory.ts";
import { parseRange } from "./range.ts";
import { piecesOf, send, type Sent } from "./send.ts";

/** A download as the audit has it; how it ended is added. */
export type Download = Omit<Act, "outcome"> & { readonly detail: Detail };

/** What is asked for, and by whom. */
interface Asked {
  readonly context: Context;
  readonly act: Download;
  readonly request: Request;
  /** Of the answer; its ETag is set. */
  readonly headers: Headers;
  /** Count a use of the link. */
  readonly use: () => Promise<void>;
  /** True if its uses are limited: then it gives the whole only, as a range is a part of a use. */
  readonly counted: boolean;
}

/** A part of a file, and the answer's status. */
interface Part {
  readonly span: Span;
  readonly status: 200 | 206;
}

/**
 * Answer with the stored bytes as they are, whole or a range of them.
 *
 * @throws NightjarError as `readObject`; `CATALOG_FAILED`
 */
export async function respondStored(
  asked: Asked,
  { key, stored }: Pick<Manifest, "key" | "stored">,
): Promise<Response> {
  const { context, act, request, headers } = asked;
  const part = partOf(asked, stored.bytes);
  if (part === undefined) return new Response(null, { status: 416, headers });
  const { span, status } = part;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  await start(asked, part);
  const body = await readObject(context.bucket, key, span, stored.bytes);
  const { readable, writable } = new FixedLengthStream(span.length);
  context.keepAlive(sendRecorded(context, withRange(act, headers), piecesOf(body), writable));
  return new Response(readable, { status, headers, encodeBody: "manual" });
}

/**
 * Answer with a database file: the whole is derived and checked against its hash, a range is read where it
 * lies.
 *
 * @param bytes length of the whole file
 * @throws NightjarError `BUSY`; as `derive`; `CATALOG_FAILED`
 */
export async function respondFile(
  asked: Asked,
  stored: Stored,
  bytes: number,
  cost: number,
  derive: () => Promise<Derived>,
): Promise<Response> {
  const { context, act, request, headers } = asked;
  const part = partOf(asked, bytes);
  if (part === undefined) return new Response(null, { status: 416, headers });
  const { span, status } = part;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  if (status === 200) return respondDerived(asked, cost, derive);
  const small = span.length <= SMALL_RANGE;
  const held = small ? rangeCost(span.length) : cost;
  const release = await context.memory.hold(held, PATIENCE, DOWNLOADS);
  const { readable, writable } = new FixedLengthStream(span.length);
  const range = fileRange(context, stored, span);
  context.keepAlive(
    sendRecorded(context, withRange(act, headers), range, writable).finally(release),
  );
  return new Response(readable, { status, headers, encodeBody: "manual" });
}

/**
 * Answer with bytes that are made while they are sent. They hold memory until the last one is taken.
 *
 * @throws NightjarError `BUSY`; as `derive`; `CATALOG_FAILED`
 */
export async function respondDerived(
  asked: Asked,
  cost: number,
  derive: () => Promise<Derived>,
): Promise<Response> {
  const { context, act, request, headers } = asked;
  if (!headers.has("accept-ranges")) headers.set("accept-ranges", "none");
  const release = await context.memory.hold(cost, PATIENCE, DOWNLOADS);
  let derived: Derived | undefined;
  try {
    derived = await derive();
    if (request.method === "HEAD") await derived.bytes[Symbol.asyncIterator]().return?.();
    else await startWhole(asked);
  } catch (thrown) {
    await derived?.bytes[Symbol.asyncIterator]().return?.();
    release();
    throw thrown;
  }
  const { bytes, length } = derived;
  if (length !== undefined) headers.set("content-length", String(length));
  if (request.method === "HEAD") {
    release();
    return new Response(null, { headers });
  }
  // An error in the middle breaks the connection, so that no client takes a part for the whole.
  const { readable, writable } =
    length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  context.keepAlive(sendRecorded(context, act, bytes, writable).finally(release));
  return new Response(readable, { headers, encodeBody: "manual" });
}

/** Find the part that is asked for, and set the headers of the answer; undefined where it is beyond the end. */
function partOf({ request, headers, counted }: Asked, bytes: number): Part | undefined {
  headers.set("accept-ranges", counted ? "none" : "bytes");
  const condition = request.headers.get("if-range");
  const applies = condition === null || condition === headers.get("etag");
  const isRange = applies && !counted && request.method === "GET";
  const wanted = isRange ? request.headers.get("range") : null;
  const range = parseRange(wanted, bytes);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${bytes}`);
    return undefined;
  }
  const span = range === "whole" ? { offset: 0, length: bytes } : range;
  headers.set("content-length", String(span.length));
  if (range === "whole") return { span, status: 200 };
  headers.set("content-range", `bytes ${span.offset}-${span.offset + span.length - 1}/${bytes}`);
  return { span, status: 206 };
}

/** A client that reads a database in place sends many requests: what each took is recorded at its end. */
async function start(asked: Asked, { status }: Part): Promise<void> {
  if (status === 200) await startWhole(asked);
}

/** Count a download and record that it begins. A use is spent even if the reader leaves. */
async function startWhole({ context, act, use }: Asked): Promise<void> {
  await use();
  await record(context, { ...act, outcome: "started" });
}

function withRange(act: Download, headers: Headers): Download {
  const range = headers.get("content-range");
  return range === null ? act : { ...act, detail: { ...act.detail, range } };
}

/** Send a download, and record how it ended and how many bytes the reader took. Never rejects. */
async function sendRecorded(
  context: Context,
  act: Download,
  bytes: AsyncIterable<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const sent: Sent = { bytes: 0 };
  try {
    await send(bytes, writable, sent);
    await recordOrLog(context, { ...act, outcome: "done", detail: { ...act.detail, ...sent } });
  } catch (thrown) {
    const { code } = asNightjarError(thrown);
    log.error("download-broken", thrown, { subject: act.subject });
    const detail = { ...act.detail, ...sent, code };
    await recordOrLog(context, { ...act, outcome: "failed", detail });
  }
}
