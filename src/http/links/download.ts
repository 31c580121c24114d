import { Hono } from "hono";
import { record } from "../../audit/record.ts";
import { type Backup, findBackup } from "../../catalog/backups.ts";
import { findLink, useLink } from "../../catalog/access/links.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { erasuresAt, erasuresOfBackup, refuseFile } from "../../read/erasures.ts";
import { deriveBackup, deriveMoment, refuseChoice, refuseFormat } from "../../read/derive.ts";
import { earliestOf, type Moment, momentOf } from "../../read/moment.ts";
import { downloadCost } from "../../worker/memory.ts";
import type { Actor } from "../../model/actor.ts";
import type { Choice } from "../../model/choice.ts";
import { isWrittenAnew, type Manifest } from "../../model/manifest.ts";
import { partsOf, storedFormat } from "../../plan/formats.ts";
import type { HttpEnv } from "../hono-env.ts";
import { setKnownBad } from "../backups/known-bad.ts";
import { sanitizeTag } from "../../read/sanitize.ts";
import { rawRefused } from "../access/raw.ts";
import { addressOf, countFailed, refuseBlocked } from "../access/attempts.ts";
import { type Grant, readLink } from "./link-url.ts";
import { choiceDetail, choiceTag } from "./choice.ts";
import { signingKeys } from "./signature.ts";
import { type Download, respondDerived, respondFile, respondStored } from "./respond.ts";
import { about, empty, media } from "../openapi/about.ts";

const CONTENT_TYPES = {
  db: "application/vnd.sqlite3",
  csv: "text/csv; charset=utf-8",
  json: "application/json",
  ndjson: "application/x-ndjson",
  parquet: "application/vnd.apache.parquet",
  sql: "application/sql",
  gz: "application/gzip",
  zst: "application/zstd",
  age: "application/octet-stream",
};

const EXAMPLES = Object.fromEntries(Object.values(CONTENT_TYPES).map((type) => [type, "…"]));
const HEADERS = {
  "x-nightjar-erasures": "How many entries of the erasure list apply.",
  "x-nightjar-known-bad": "The proof that the backup is bad, such as `drill failed`.",
  "x-nightjar-warnings": "The codes of its warnings.",
};

/** The target of a link. */
type Target = { backup: Backup } | { moment: Moment };

/** `/d/:link/:filename`: the download. The link is the only credential. */
export const download = new Hono<HttpEnv>().get(
  "/:link/:filename",
  about(
    "download",
    "Download what a link opens",
    {
      200: media("All of it.", EXAMPLES, HEADERS),
      206: media(
        "A range of it, where its bytes are addressable (`Accept-Ranges: bytes`).",
        EXAMPLES,
        HEADERS,
      ),
      304: empty("It is what the `If-None-Match` has."),
      416: empty("The range is beyond its end."),
    },
    {
      text: "The link is the whole of the credential. `HEAD` tells of it without its bytes.",
      path: {
        link: ["The link's id, expiry and signature.", "h2k9s0d4m7qx.t2x1mc.Qm3v…"],
        filename: [
          "The name to save it under; signed too.",
          "shop-20261120T020001Z-3k9f0xq2v7ma.sql.gz",
        ],
      },
    },
  ),
  async (c) => {
    const { link, filename } = c.req.param();
    refuseBlocked(c.env, c.req.raw);
    const grant = readLink(link, filename, signingKeys(c.env.config));
    if (grant === undefined) {
      await countFailed(c.env, c.req.raw, { shown: "link" });
      throw new NightjarError("LINK_INVALID", "This link is not valid.");
    }
    const { target, counted, choice } = await granted(c.env, grant, c.req.raw);
    const { format } = grant;
    const { content, coding, encrypted } = partsOf(format);
    refuseChoice(
      "moment" in target ? "snapshot" : target.backup.manifest.kind,
      format,
      choice ?? {},
    );
    const erasures = await erasuresOf(c.env, target);
    const headers = new Headers({
      "content-type": CONTENT_TYPES[encrypted === true ? "age" : (coding ?? content)],
      "content-disposition": `attachment; filename="${filename}"`,
      "cache-control": "private, no-store, no-transform",
      "x-content-type-options": "nosniff",
      // The same bytes have the same tag for ever; each format has its own.
      etag: `"${contentOf(target)}-${format}${anewTag(target)}${erasedTag(erasures)}${choiceTag(choice)}${await maskTag(c.env, grant, choice)}"`,
    });
    if (erasures.length > 0) headers.set("x-nightjar-erasures", String(erasures.length));
    const anew = "backup" in target && isWrittenAnew(target.backup.manifest);
    if (anew) headers.set("x-nightjar-warnings", warningsOf(target.backup.manifest));
    if ("backup" in target) setKnownBad(headers, target.backup);
    if (["*", headers.get("etag")].includes(c.req.header("if-none-match") ?? null))
      return new Response(null, { status: 304, headers });
    const asked = {
      ...{ context: c.env, request: c.req.raw, headers },
      act: actOf(c.req.raw, grant, target, choice),
      use: () => countUse(c.env, grant),
      counted,
    };
    const isFile = content === "db" && coding === undefined && encrypted !== true;
    if ("moment" in target) {
      const { moment } = target;
      const cost = downloadCost("snapshot", format);
      const derive = () => deriveMoment(c.env, moment, format, erasures, choice ?? {});
      if (!isFile) return respondDerived(asked, cost, derive);
      refuseFile(erasures, format);
      return respondFile(asked, { moment }, moment.pageSize * moment.pageCount, cost, derive);
    }
    const { manifest } = target.backup;
    const stored = storedFormat(manifest.kind, manifest.encryption !== undefined);
    if (
      choice === null &&
      format === stored &&
      ((erasures.length === 0 && !anew) || encrypted === true)
    )
      return respondStored(asked, manifest);
    const cost = downloadCost(manifest.kind, format);
    const derive = () => deriveBackup(c.env, manifest, format, erasures, choice ?? {});
    if (!isFile) return respondDerived(asked, cost, derive);
    refuseFile(erasures, format);
    refuseFormat(manifest, format);
    return respondFile(asked, { manifest }, manifest.raw.bytes, cost, derive);
  },
);

/** @throws NightjarError `LINK_INVALID` if another reader had the last use; `CATALOG_FAILED` */
async function countUse({ catalog }: Context, { id }: Grant): Promise<void> {
  if (await useLink(catalog, id)) return;
  throw new NightjarError("LINK_INVALID", "This link was used up.");
}

function actOf(request: Request, grant: Grant, target: Target, choice: Choice | null): Download {
  const { database, format } = grant;
  return {
    by: holderOf(grant),
    ...{ action: "download", database, subject: subjectOf(target) },
    detail: { format, address: addressOf(request), ...choiceDetail(choice) },
  };
}

/** Whoever has a link, as the audit names them. */
function holderOf({ id }: Grant): Actor {
  return { id: `link:${id}`, name: `link ${id}` };
}

function subjectOf(target: Target): string {
  if ("backup" in target) return target.backup.id;
  return `${target.moment.lineage}-${target.moment.txid}`;
}

/** Find the target of a signed link, if it still opens one. */
async function granted(
  context: Context,
  grant: Grant,
  request: Request,
): Promise<{ target: Target; counted: boolean; choice: Choice | null }> {
  const { catalog, deps } = context;
  const denied = async (why: string): Promise<void> => {
    const { database, format } = grant;
    await record(context, {
      by: holderOf(grant),
      ...{ action: "download", outcome: "denied", database, detail: { format, why } },
    });
  };
  const refuse = async (why: string): Promise<never> => {
    await denied(why);
    throw new NightjarError("LINK_INVALID", `This link ${why}.`);
  };
  if (deps.now() >= grant.expires * 1000) return refuse("has expired");
  const link = await findLink(catalog, grant.id);
  if (link === undefined || link.revokedAt !== null) return refuse("was revoked");
  if (link.address !== null && link.address !== addressOf(request))
    return refuse("is for another address");
  if (link.maxUses !== null && link.uses >= link.maxUses) return refuse("was used up");
  const [kind, database, lineage, txid] = link.subject.split("/");
  const { raw, ...part } = link.choice ?? {};
  const isPermitted = part.sanitize === true || raw === true;
  if (!isPermitted && (await context.fleet.rawNeedsScope(grant.database))) {
    await denied("is of values as they are");
    throw rawRefused(grant.database);
  }
  const choice = Object.keys(part).length === 0 ? null : part;
  const opened = { counted: link.maxUses !== null, choice };
  if (kind === "log") {
    const moment = await momentOf(context, database!, lineage!, Number(txid));
    return { target: { moment }, ...opened };
  }
  const backup = await findBackup(catalog, link.subject);
  if (backup === undefined)
    throw new NightjarError("BACKUP_NOT_FOUND", "The backup of this link is no longer kept.");
  return { target: { backup }, ...opened };
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

/** Mark what is masked: other rules, or another key, give other bytes. */
async function maskTag(
  context: Context,
  { database }: Grant,
  choice: Choice | null,
): Promise<string> {
  return choice?.sanitize === true ? `-${await sanitizeTag(context, database)}` : "";
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
