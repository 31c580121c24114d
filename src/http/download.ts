import { Hono } from "hono";
import { type Backup, findBackup } from "../catalog/backups.ts";
import { findLink } from "../catalog/links.ts";
import type { Context } from "../context.ts";
import { NightjarError } from "../errors.ts";
import { gzipCompress, zstdDecompress } from "../format/codec.ts";
import { verified } from "../format/hash.ts";
import { log } from "../log.ts";
import { readObject } from "../store/read.ts";
import type { HttpEnv } from "./hono-env.ts";
import { type Format, type Grant, readLink } from "./link-url.ts";
import { parseRange } from "./range.ts";

const CONTENT_TYPES: Record<Format, string> = {
  "sql.zst": "application/zstd",
  "sql.gz": "application/gzip",
  sql: "application/sql",
};

/** `/d/:link/:filename`: the download. The link is the only credential. */
export const download = new Hono<HttpEnv>().get("/:link/:filename", async (c) => {
  const { link, filename } = c.req.param();
  const grant = readLink(link, filename, c.env.config.signingKey);
  if (grant === undefined) throw new NightjarError("LINK_INVALID", "This link is not valid.");
  const backup = await granted(c.env, grant);
  const headers = new Headers({
    "content-type": CONTENT_TYPES[grant.format],
    "content-disposition": `attachment; filename="${filename}"`,
    "cache-control": "private, no-store, no-transform",
    "x-content-type-options": "nosniff",
    // The same bytes have the same tag for ever; each format has its own.
    etag: `"${backup.manifest.raw.sha256.slice(0, 32)}-${grant.format}"`,
  });
  if (["*", headers.get("etag")].includes(c.req.header("if-none-match") ?? null))
    return new Response(null, { status: 304, headers });
  return grant.format === "sql.zst"
    ? sendStored(c.env, backup, c.req.raw, headers)
    : sendTranscoded(c.env, backup, grant.format, c.req.raw, headers);
});

/** The backup that a signed link still opens. */
async function granted({ catalog, deps }: Context, grant: Grant): Promise<Backup> {
  if (deps.now() >= grant.expires * 1000)
    throw new NightjarError("LINK_INVALID", "This link has expired.");
  const [link, backup] = await Promise.all([
    findLink(catalog, grant.id),
    findBackup(catalog, grant.backupId),
  ]);
  if (link === undefined || link.revokedAt !== null)
    throw new NightjarError("LINK_INVALID", "This link was revoked.");
  if (backup === undefined)
    throw new NightjarError("BACKUP_NOT_FOUND", "The backup of this link is no longer kept.");
  return backup;
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

/** The dump as SQL text, plain or gzipped, checked against its hash before the last byte goes out. */
async function sendTranscoded(
  { bucket }: Context,
  backup: Backup,
  format: Exclude<Format, "sql.zst">,
  request: Request,
  headers: Headers,
): Promise<Response> {
  const { key, raw, stored } = backup.manifest;
  headers.set("accept-ranges", "none");
  if (format === "sql") headers.set("content-length", String(raw.bytes));
  if (request.method === "HEAD") return new Response(null, { headers });

  const bytes = await readObject(bucket, key, undefined, stored.bytes);
  const sql = verified(zstdDecompress(bytes), raw, key);
  const coded = format === "sql" ? sql : gzipCompress(sql);
  // An error in the middle breaks the connection, so that no client takes a part for the whole.
  const { readable, writable } =
    format === "sql" ? new FixedLengthStream(raw.bytes) : new IdentityTransformStream();
  streamOf(coded)
    .pipeTo(writable)
    .catch((error: unknown) => log.error("download-broken", error, { key, format }));
  return new Response(readable, { headers, encodeBody: "manual" });
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
