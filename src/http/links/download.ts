import { Hono } from "hono";
import { type Backup, findBackup } from "../../catalog/backups.ts";
import { findLink } from "../../catalog/links.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { erasuresAt, erasuresOfBackup } from "../../read/erasures.ts";
import { type Derived, deriveBackup, deriveMoment } from "../../read/derive.ts";
import { earliestOf, type Moment, momentOf } from "../../read/moment.ts";
import { downloadCost, DOWNLOADS } from "../../worker/memory.ts";
import { log } from "../../core/log.ts";
import { isWrittenAnew, type Manifest } from "../../model/manifest.ts";
import { PATIENCE } from "../../core/memory-budget.ts";
import { partsOf, storedFormat } from "../../plan/formats.ts";
import { readObject } from "../../store/read.ts";
import type { HttpEnv } from "../hono-env.ts";
import { setKnownBad } from "../backups/known-bad.ts";
import { type Grant, readLink } from "./link-url.ts";
import { parseRange } from "./range.ts";

const CONTENT_TYPES = {
  db: "application/vnd.sqlite3",
  sql: "application/sql",
  gz: "application/gzip",
  zst: "application/zstd",
  age: "application/octet-stream",
};

/** A reader that takes nothing for so long loses its download, ms. */
const IDLE = 60_000;

/** The target of a link. */
type Target = { backup: Backup } | { moment: Moment };

/** `/d/:link/:filename`: the download. The link is the only credential. */
export const download = new Hono<HttpEnv>().get("/:link/:filename", async (c) => {
  const { link, filename } = c.req.param();
  const grant = readLink(link, filename, c.env.config.signingKey);
  if (grant === undefined) throw new NightjarError("LINK_INVALID", "This link is not valid.");
  const target = await granted(c.env, grant);
  const { format } = grant;
  const { content, coding, encrypted } = partsOf(format);
  const erasures = await erasuresOf(c.env, target);
  const headers = new Headers({
    "content-type": CONTENT_TYPES[encrypted === true ? "age" : (coding ?? content)],
    "content-disposition": `attachment; filename="${filename}"`,
    "cache-control": "private, no-store, no-transform",
    "x-content-type-options": "nosniff",
    // The same bytes have the same tag for ever; each format has its own.
    etag: `"${contentOf(target)}-${format}${anewTag(target)}${erasedTag(erasures)}"`,
  });
  if (erasures.length > 0) headers.set("x-nightjar-erasures", String(erasures.length));
  const anew = "backup" in target && isWrittenAnew(target.backup.manifest);
  if (anew) headers.set("x-nightjar-warnings", warningsOf(target.backup.manifest));
  if ("backup" in target) setKnownBad(headers, target.backup);
  if (["*", headers.get("etag")].includes(c.req.header("if-none-match") ?? null))
    return new Response(null, { status: 304, headers });
  if ("moment" in target)
    return sendDerived(
      c.env,
      downloadCost("snapshot", format),
      () => deriveMoment(c.env, target.moment, format, erasures),
      c.req.raw,
      headers,
    );
  const { manifest } = target.backup;
  const stored = storedFormat(manifest.kind, manifest.encryption !== undefined);
  return format === stored && ((erasures.length === 0 && !anew) || encrypted === true)
    ? sendStored(c.env, target.backup, c.req.raw, headers)
    : sendDerived(
        c.env,
        downloadCost(manifest.kind, format),
        () => deriveBackup(c.env, manifest, format, erasures),
        c.req.raw,
        headers,
      );
});

/** Find the target of a signed link, if it still opens one. */
async function granted(context: Context, grant: Grant): Promise<Target> {
  const { catalog, deps } = context;
  if (deps.now() >= grant.expires * 1000)
    throw new NightjarError("LINK_INVALID", "This link has expired.");
  const link = await findLink(catalog, grant.id);
  if (link === undefined || link.revokedAt !== null)
    throw new NightjarError("LINK_INVALID", "This link was revoked.");
  const [kind, database, lineage, txid] = link.subject.split("/");
  if (kind === "log") return { moment: await momentOf(context, database!, lineage!, Number(txid)) };
  const backup = await findBackup(catalog, link.subject);
  if (backup === undefined)
    throw new NightjarError("BACKUP_NOT_FOUND", "The backup of this link is no longer kept.");
  return { backup };
}

/** Find the erasures since then, whose rows are left out. */
function erasuresOf(context: Context, target: Target): Promise<Erasure[]> {
  if ("backup" in target) return erasuresOfBackup(context, target.backup.manifest);
  return erasuresAt(context, target.moment.database, earliestOf(target.moment));
}

/** Mark rewritten SQL, which differs from what earlier versions gave. */
function anewTag(target: Target): string {
  return "backup" in target && isWrittenAnew(target.backup.manifest) ? "-anew" : "";
}

/** The codes of a backup's warnings, each once. */
function warningsOf({ warnings }: Manifest): string {
  return [...new Set(warnings.map(({ code }) => code))].join(",");
}

function erasedTag(erasures: readonly Erasure[]): string {
  return erasures.length === 0 ? "" : `-${erasures.length}-${erasures.at(-1)!.id}`;
}

/** A name for the content of a target: the same for the same content only. */
function contentOf(target: Target): string {
  if ("moment" in target) return `${target.moment.lineage}-${target.moment.txid}`;
  const { encryption, raw, stored } = target.backup.manifest;
  return (encryption === undefined ? raw : stored).sha256.slice(0, 32);
}

/** The stored bytes as they are, whole or a range of them. */
async function sendStored(
  { bucket }: Context,
  backup: Backup,
  request: Request,
  headers: Headers,
): Promise<Response> {
  const { key, stored } = backup.manifest;
  headers.set("accept-ranges", "bytes");
  const condition = request.headers.get("if-range");
  const applies = condition === null || condition === headers.get("etag");
  const asked = applies && request.method === "GET" ? request.headers.get("range") : null;
  const range = parseRange(asked, stored.bytes);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${stored.bytes}`);
    return new Response(null, { status: 416, headers });
  }
  const span = range === "whole" ? { offset: 0, length: stored.bytes } : range;
  if (range !== "whole") {
    const last = span.offset + span.length - 1;
    headers.set("content-range", `bytes ${span.offset}-${last}/${stored.bytes}`);
  }
  headers.set("content-length", String(span.length));
  const status = range === "whole" ? 200 : 206;
  if (request.method === "HEAD") return new Response(null, { status, headers });
  const body = await readObject(bucket, key, span, stored.bytes);
  return new Response(body, { status, headers });
}

/**
 * Bytes that are made while they are sent. They hold memory until the last one is taken.
 *
 * @throws NightjarError `BUSY`; as `derive`
 */
async function sendDerived(
  { memory }: Context,
  cost: number,
  derive: () => Promise<Derived>,
  request: Request,
  headers: Headers,
): Promise<Response> {
  headers.set("accept-ranges", "none");
  const release = await memory.hold(cost, PATIENCE, DOWNLOADS);
  let derived: Derived;
  try {
    derived = await derive();
    if (request.method === "HEAD") await derived.bytes[Symbol.asyncIterator]().return?.();
  } catch (thrown) {
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
  send(bytes, writable)
    .catch((error: unknown) => log.error("download-broken", error, { etag: headers.get("etag") }))
    .finally(release);
  return new Response(readable, { headers, encodeBody: "manual" });
}

/** Send bytes as fast as the reader takes them. One that takes nothing for a minute loses them. */
async function send(
  bytes: AsyncIterable<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const writer = writable.getWriter();
  let idle = false;
  let waiting = false;
  const watch = setInterval(() => {
    // While nobody waits for the reader it cannot be late: the next bytes are being made.
    if (waiting && idle)
      void writer.abort(new Error(`the reader took nothing for ${IDLE / 1000} s`));
    idle = waiting;
  }, IDLE);
  try {
    for await (const chunk of bytes) {
      waiting = true;
      await writer.write(chunk);
      waiting = idle = false;
    }
    waiting = true;
    await writer.close();
  } catch (thrown) {
    await writer.abort(thrown).catch(() => undefined); // the reader may have left
    throw thrown;
  } finally {
    clearInterval(watch);
  }
}
