import { Hono } from "hono";
import * as v from "valibot";
import type { Segment } from "../../catalog/lineages.ts";
import { type Place, timelineOf } from "../../catalog/timeline.ts";
import { queryMoment } from "../../read/query.ts";
import { refuseChoice, refuseFormat } from "../../read/derive.ts";
import { checkExport } from "../../read/export.ts";
import { erasuresAt, refuseFile } from "../../read/erasures.ts";
import { earliestOf, momentAt, windowOf } from "../../read/moment.ts";
import { verifyLog } from "../../jobs/proof/verify-log.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import { needs, note } from "../access/needs.ts";
import { configured, knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { atField, CURSOR, keyCursor, limitField, QUERIES, querySchema } from "../fields.ts";
import { refuseRaw } from "../access/raw.ts";
import { grantForMoment } from "../links/link-url.ts";
import { choiceFields, choiceOf, checkedView, permitted } from "../links/choice.ts";
import { linkFields, makeLink } from "../links/links.ts";
import { iso } from "../../core/iso.ts";
import { about, json } from "../openapi/about.ts";
import { pulledAnswer, TIMELINE, timelineAnswer } from "../answers/database.ts";
import {
  MOMENT_LINK,
  MOMENT_QUERIED,
  momentLinkAnswer,
  momentQueryAnswer,
} from "../answers/link.ts";
import { LINEAGE } from "../answers/parts.ts";
import { logVerifiedAnswer } from "../answers/proof.ts";

const newLinkSchema = v.strictObject({ at: atField, ...linkFields, ...choiceFields });
const momentQuerySchema = v.strictObject({ at: v.optional(atField), ...querySchema.entries });
const verifySchema = v.strictObject({ cursor: keyCursor });
const timelineSchema = v.strictObject({
  limit: limitField(1000, 100),
  cursor: v.optional(v.pipe(v.string(CURSOR), v.regex(/^\d{1,15}-\d{1,10}$/, CURSOR))),
});

function placeAt(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [at, after] = cursor.split("-").map(Number) as [number, number];
  return { at, after };
}

/** Changes may be of one moment: the cursor counts those that a page has shown. */
function cursorAfter(page: readonly Segment[], from: Place | undefined): string {
  const { at } = page.at(-1)!;
  const shown = page.filter((segment) => segment.at === at).length;
  return `${at}-${shown + (from?.at === at ? from.after : 0)}`;
}

/** `/v1/databases/:db/…`: what the page log gives: any moment, and what happened when. */
export const moments = new Hono<HttpEnv>()
  .get(
    "/:db/timeline",
    about(
      "listChanges",
      "List what the page log holds, newest first",
      {
        200: json(timelineAnswer, TIMELINE, "The log's window, and a page of its changes."),
      },
      { text: "A lineage is a history without a gap; a server that lost its own begins another." },
    ),
    needs("read", "database"),
    input("query", timelineSchema, { limit: "100" }),
    async (c) => {
      const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      const { limit, cursor } = c.req.valid("query");
      const { from, to } = await windowOf(c.env, name);
      const place = placeAt(cursor);
      // One more than the page shows tells whether there is another page.
      const found = await timelineOf(c.env.catalog, name, limit + 1, place);
      const page = found.slice(0, limit);
      const next = found.length > limit ? cursorAfter(page, place) : null;
      const changes = page.map((segment) => ({
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
      return c.json({ database: name, window: { from: iso(from), to: iso(to) }, changes, next });
    },
  )

  .post(
    "/:db/log",
    about(
      "pullLog",
      "Pull what is new into the page log now",
      {
        200: json(
          pulledAnswer,
          { database: "shop", log: { lineage: LINEAGE, txid: 415 } },
          "Where the log stands.",
        ),
      },
      { text: "As before a risky change." },
    ),
    needs("backup", "database", "log-pull"),
    async (c) => {
      const { name } = await configured(c.env, c.req.param("db"), c.get("caller").rights);
      // Null where there is no log yet and the next backup begins one.
      return c.json({ database: name, log: await c.env.followers.pull(name) });
    },
  )

  // Read the segments of the log back, a part of them at a time.
  .post(
    "/:db/log/verify",
    about(
      "verifyLog",
      "Read the page log back and check every byte, a part of it a call",
      {
        200: json(
          logVerifiedAnswer,
          { segments: 64, bytes: 1_204_224, damaged: [], next: null },
          "What was found in this part of it.",
        ),
      },
      {
        text: "A log that is damaged where its newest state needs it ends: the next backup reads the whole database.",
      },
    ),
    needs("backup", "database", "log-verify"),
    input("json", verifySchema, {}),
    async (c) => {
      const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      return c.json(await verifyLog(c.env, name, c.req.valid("json").cursor));
    },
  )

  .post(
    "/:db/links",
    about(
      "createMomentLink",
      "Make a link that downloads a database as it was",
      {
        201: json(momentLinkAnswer, MOMENT_LINK, "The link, and the moment that it has."),
      },
      { text: "The last commit that had been seen by `at`. docs/api.md says what counts." },
    ),
    needs("download", "database", "link"),
    input("json", newLinkSchema, { at: "2026-11-20T07:56:10Z", format: "sql.gz" }),
    async (c) => {
      const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      const { at: wanted, format, ...terms } = c.req.valid("json");
      const choice = choiceOf(terms);
      const kept = await permitted(c.env, name, c.get("caller").rights, choice);
      refuseFormat({ kind: "snapshot" }, format);
      refuseChoice("snapshot", format, choice ?? {});
      const moment = await momentAt(c.env, name, Date.parse(wanted));
      const { lineage, txid, committedAt, uncertaintyMs, pageCount, pageSize } = moment;
      const erasures = await erasuresAt(c.env, name, earliestOf(moment));
      refuseFile(erasures, format);
      const checked = await checkExport(c.env, { moment }, format, choice ?? {});
      const opened = { database: name, subject: `log/${name}/${lineage}/${txid}`, choice: kept };
      const link = await makeLink(c, opened, { format, ...terms }, (id, expires) =>
        grantForMoment(moment, format, id, expires),
      );
      note(c, { at: wanted });
      const bytes = pageCount * pageSize;
      const shown = { committedAt: iso(committedAt), uncertaintyMs, lineage, txid, bytes };
      return c.json(
        { ...link, erasures: erasures.length, ...checkedView(checked), moment: shown },
        201,
      );
    },
  )

  .post(
    "/:db/query",
    about(
      "queryMoment",
      "Query a database as it was",
      {
        200: json(momentQueryAnswer, MOMENT_QUERIED, "All rows, and the moment that they are of."),
      },
      { text: `Without \`at\`, the newest moment of the page log. ${QUERIES}` },
    ),
    needs("download", "database", "query"),
    input("json", momentQuerySchema, {
      at: "2026-11-20T07:56:10Z",
      sql: "SELECT count(*) FROM artists",
    }),
    async (c) => {
      const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      const { at: wanted, ...query } = c.req.valid("json");
      await refuseRaw(c.env, name, c.get("caller").rights);
      const newest = async () => (await windowOf(c.env, name)).to;
      const moment = await momentAt(c.env, name, wanted ? Date.parse(wanted) : await newest());
      const answer = await queryMoment(c.env, moment, query);
      note(c, { sqlHash: fingerprint(query.sql), rows: answer.rows.length });
      const { lineage, txid, committedAt, uncertaintyMs } = moment;
      const shown = { committedAt: iso(committedAt), uncertaintyMs, lineage, txid };
      return c.json({ ...answer, moment: shown });
    },
  );
