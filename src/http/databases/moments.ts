import { Hono } from "hono";
import * as v from "valibot";
import { timelineOf } from "../../catalog/timeline.ts";
import { askMoment } from "../../read/query.ts";
import { refuseFormat } from "../../read/derive.ts";
import { erasuresAt, refuseFile } from "../../read/erasures.ts";
import { earliestOf, momentAt, windowOf } from "../../read/moment.ts";
import { verifyLog } from "../../jobs/proof/verify-log.ts";
import { atField } from "./at-input.ts";
import { configured, knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { grantForMoment } from "../links/link-url.ts";
import { expiresInField, formatField, makeLink } from "../links/make-link.ts";
import { querySchema } from "../backups/query-input.ts";

const newLinkSchema = v.strictObject({
  at: atField,
  format: formatField,
  expiresIn: expiresInField,
});
const questionSchema = v.strictObject({ at: v.optional(atField), ...querySchema.entries });
const VERIFY_AFTER = "must be the `next` of the call before";
const verifySchema = v.strictObject({
  after: v.optional(v.pipe(v.string(VERIFY_AFTER), v.maxLength(1024, VERIFY_AFTER))),
});
const timelineSchema = v.strictObject({
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^([1-9]\d{0,2}|1000)$/, "must be a whole number from 1 to 1000"),
      v.transform(Number),
    ),
    "100",
  ),
  before: v.optional(atField),
});

const iso = (moment: number) => new Date(moment).toISOString();

/** `/v1/databases/:db/…`: what the page log gives: any moment, and what happened when. */
export const moments = new Hono<HttpEnv>()
  .get("/:db/timeline", input("query", timelineSchema), async (c) => {
    const { name } = await knownDatabase(c.env, c.req.param("db"));
    const { limit, before } = c.req.valid("query");
    const { from, to } = await windowOf(c.env, name);
    const until = before === undefined ? undefined : Date.parse(before);
    const found = await timelineOf(c.env.catalog, name, limit, until);
    const changes = found.map((segment) => ({
      at: iso(segment.at),
      uncertaintyMs: segment.uncertainty,
      clockOffsetMs: segment.clockOffset,
      lineage: segment.lineage,
      txid: segment.maxTxid,
      commits: segment.maxTxid - segment.minTxid + 1,
      pages: segment.pages,
      bytes: segment.bytes,
      pageCount: segment.pageCount,
      whole: segment.minTxid === 1,
    }));
    return c.json({ database: name, window: { from: iso(from), to: iso(to) }, changes });
  })

  .post("/:db/log", async (c) => {
    const { name } = await configured(c.env, c.req.param("db"));
    // Null where there is no log yet and the next backup begins one.
    return c.json({ database: name, log: await c.env.followers.pull(name) });
  })

  // Read the segments of the log back, a part of them at a time.
  .post("/:db/log/verify", input("json", verifySchema), async (c) => {
    const { name } = await knownDatabase(c.env, c.req.param("db"));
    return c.json(await verifyLog(c.env, name, c.req.valid("json").after));
  })

  .post("/:db/links", input("json", newLinkSchema), async (c) => {
    const { name } = await knownDatabase(c.env, c.req.param("db"));
    const { at: wanted, format, expiresIn } = c.req.valid("json");
    refuseFormat({ kind: "snapshot" }, format);
    const moment = await momentAt(c.env, name, Date.parse(wanted));
    const { lineage, txid, committedAt, uncertaintyMs, pageCount, pageSize } = moment;
    const erasures = await erasuresAt(c.env, name, earliestOf(moment));
    refuseFile(erasures, format);
    const link = await makeLink(
      c.env,
      new URL(c.req.url).origin,
      `log/${name}/${lineage}/${txid}`,
      format,
      expiresIn,
      (id, expires) => grantForMoment(moment, format, id, expires),
    );
    const bytes = pageCount * pageSize;
    const about = { committedAt: iso(committedAt), uncertaintyMs, lineage, txid, bytes };
    return c.json({ ...link, erasures: erasures.length, moment: about }, 201);
  })

  .post("/:db/query", input("json", questionSchema), async (c) => {
    const { name } = await knownDatabase(c.env, c.req.param("db"));
    const { at: wanted, ...question } = c.req.valid("json");
    const newest = async () => (await windowOf(c.env, name)).to;
    const moment = await momentAt(c.env, name, wanted ? Date.parse(wanted) : await newest());
    const answer = await askMoment(c.env, moment, question);
    const { lineage, txid, committedAt, uncertaintyMs } = moment;
    const about = { committedAt: iso(committedAt), uncertaintyMs, lineage, txid };
    return c.json({ ...answer, moment: about });
  });
