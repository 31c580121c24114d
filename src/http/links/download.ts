import { Hono } from "hono";
import { record, recordOrLog } from "../../audit/record.ts";
import { type Backup, findBackup } from "../../catalog/backups.ts";
import { findLink } from "../../catalog/links.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { erasuresAt, erasuresOfBackup } from "../../read/erasures.ts";
import { type Derived, deriveBackup, deriveMoment } from "../../read/derive.ts";
import { earliestOf, type Moment, momentOf } from "../../read/moment.ts";
import { downloadCost, DOWNLOADS } from "../../worker/memory.ts";
import { log } from "../../core/log.ts";
import type { Act, Detail } from "../../model/audit.ts";
import { isWrittenAnew, type Manifest } from "../../model/manifest.ts";
import { PATIENCE } from "../../core/memory-budget.ts";
import { partsOf, storedFormat } from "../../plan/formats.ts";
import { readObject } from "../../store/read.ts";
import type { HttpEnv } from "../hono-env.ts";
import { setKnownBad } from "../backups/known-bad.ts";
import { addressOf, countFailed, refuseBlocked } from "../access/attempts.ts";
import { type Grant, readLink } from "./link-url.ts";
import { parseRange } from "./range.ts";
import { piecesOf, send, type Sent } from "./send.ts";

const CONTENT_TYPES = {
  db: "application/vnd.sqlite3",
  sql: "application/sql",
  gz: "application/gzip",
  zst: "application/zstd",
  age: "application/octet-stream",
};

/** The target of a link. */
type Target = { backup: Backup } | { moment: Moment };

/** `/d/:link/:filename`: the download. The link is the only credential. */
export const download = new Hono<HttpEnv>().get("/:link/:filename", async (c) => {
  const { link, filename } = c.req.param();
  refuseBlocked(c.env, c.req.raw);
  const grant = readLink(link, filename, c.env.config.signingKey);
  if (grant === undefined) {
    await countFailed(c.env, c.req.raw, { shown: "link" });
    throw new NightjarError("LINK_INVALID", "This link is not valid.");
  }
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
  const act = actOf(c.req.raw, grant, target);
  if ("moment" in target)
    return sendDerived(
      c.env,
      act,
      downloadCost("snapshot", format),
      () => deriveMoment(c.env, target.moment, format, erasures),
      c.req.raw,
      headers,
    );
  const { manifest } = target.backup;
  const stored = storedFormat(manifest.kind, manifest.encryption !== undefined);
  return format === stored && ((erasures.length === 0 && !anew) || encrypted === true)
    ? sendStored(c.env, act, target.backup, c.req.raw, headers)
    : sendDerived(
        c.env,
        act,
        downloadCost(manifest.kind, format),
        () => deriveBackup(c.env, manifest, format, erasures),
        c.req.raw,
        headers,
      );
});

/** A download as the audit has it; how it ended is added. */
type Download = Omit<Act, "outcome"> & { readonly detail: Detail };

function actOf(request: Request, grant: Grant, target: Target): Download {
  const { id, database, format } = grant;
  return {
    by: { id: `link:${id}`, name: `link ${id}` },
    ...{ action: "download", database, subject: subjectOf(target) },
    detail: { format, address: addressOf(request) },
  };
}

function subjectOf(target: Target): string {
  if ("backup" in target) return target.backup.id;
  return `${target.moment.lineage}-${target.moment.txid}`;
}

/** Find the target of a signed link, if it still opens one. */
async function granted(context: Context, grant: Grant): Promise<Target> {
  const { catalog, deps } = context;
  const refuse = async (why: string): Promise<never> => {
    const { id, database, format } = grant;
    await record(context, {
      by: { id: `link:${id}`, name: `link ${id}` },
      ...{ action: "download", outcome: "denied", database, detail: { format, why } },
    });
    throw new NightjarError("LINK_INVALID", `This link ${why}.`);
  };
  if (deps.now() >= grant.expires * 1000) return refuse("has expired");
  const link = await findLink(catalog, grant.id);
  if (link === undefined || link.revokedAt !== null) return refuse("was revoked");
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
  context: Context,
  act: Download,
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
  const asRange = headers.get("content-range");
  const sending: Download =
    asRange === null ? act : { ...act, detail: { ...act.detail, range: asRange } };
  // A client that reads a database in place sends many requests: what each took is recorded at its end.
  if (range === "whole") await record(context, { ...act, outcome: "started" });
  const body = await readObject(context.bucket, key, span, stored.bytes);
  const { readable, writable } = new FixedLengthStream(span.length);
  context.keepAlive(sendRecorded(context, sending, piecesOf(body), writable));
  return new Response(readable, { status, headers, encodeBody: "manual" });
}

/**
 * Bytes that are made while they are sent. They hold memory until the last one is taken.
 *
 * @throws NightjarError `BUSY`; as `derive`
 */
async function sendDerived(
  context: Context,
  act: Download,
  cost: number,
  derive: () => Promise<Derived>,
  request: Request,
  headers: Headers,
): Promise<Response> {
  headers.set("accept-ranges", "none");
  const release = await context.memory.hold(cost, PATIENCE, DOWNLOADS);
  let derived: Derived | undefined;
  try {
    derived = await derive();
    if (request.method === "HEAD") await derived.bytes[Symbol.asyncIterator]().return?.();
    else await record(context, { ...act, outcome: "started" });
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
