import { Hono } from "hono";
import { historyOf } from "../../catalog/history.ts";
import { readWatches } from "../../catalog/watch/watches.ts";
import { iso } from "../../core/iso.ts";
import { DatabasePage, type Filters, FILTERS } from "../../web/pages/database.tsx";
import { RunPage } from "../../web/pages/run.tsx";
import { knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { calendarsOf } from "./fleet-rows.ts";
import { answerOf, apiOf, rightsOf, show } from "./page.ts";

/** Backups of one page, runs that are shown, and points of a chart. */
const BACKUPS = "50";
const RUNS = "10";
const POINTS = 180;

/** The filters of a request; those that are empty count as left out. */
function filtersOf(query: (name: string) => string | undefined): Filters {
  const given = FILTERS.flatMap((name) => {
    const value = query(name)?.trim();
    return value === undefined || value === "" ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

/** A day as a form gives it, as a moment; what is no day is left for the API to refuse. */
function momentOf(day: string | undefined, end: boolean): string | undefined {
  if (day === undefined || !/^\d{4}-\d\d-\d\d$/.test(day)) return day;
  return end ? `${day}T23:59:59.999Z` : `${day}T00:00:00Z`;
}

/** Pages of a database and its runs. */
export const databasePages = new Hono<HttpEnv>()
  .get("/databases/:db", async (c) => {
    const api = apiOf(c);
    const caller = c.get("caller");
    const db = c.req.param("db");
    const filters = filtersOf((name) => c.req.query(name));
    const cursor = c.req.query("cursor");
    const { since, until, ...rest } = filters;
    const query: Record<string, string> = { limit: BACKUPS, ...rest };
    const [from, to] = [momentOf(since, false), momentOf(until, true)];
    if (from !== undefined) query["since"] = from;
    if (to !== undefined) query["until"] = to;
    if (cursor !== undefined) query["cursor"] = cursor;
    const [database, { backups, next }, { runs }] = await Promise.all([
      answerOf(api.v1.databases[":db"].$get({ param: { db } })),
      answerOf(
        api.v1.databases[":db"].backups.$get({ param: { db }, query: query as { limit: string } }),
      ),
      answerOf(api.v1.runs.$get({ query: { database: db, limit: RUNS } })),
    ]);
    const known = await knownDatabase(c.env, db, caller.rights);
    const [days, history, watches] = await Promise.all([
      calendarsOf(c.env, [known]),
      historyOf(c.env.catalog, db, POINTS),
      readWatches(c.env.catalog),
    ]);
    const reach = watches.get(db)?.logFrom;
    const window =
      database.log === null || reach == null
        ? null
        : { from: iso(reach), to: database.log.checkedAt };
    const page = DatabasePage({
      ...{ who: caller.name, database, days: days.get(db)!, history, window, backups, next },
      ...{ filters, runs, done: undefined, may: rightsOf(caller), now: c.env.deps.now() },
    });
    return show(c, page);
  })

  .post("/databases/:db/backup", async (c) => {
    const param = { db: c.req.param("db") };
    const json = { tier: "manual", labels: {}, wait: false } as const;
    const run = await answerOf(apiOf(c).v1.databases[":db"].backups.$post({ param, json }));
    return c.redirect(`/runs/${run.id}`, 303);
  })

  .post("/databases/:db/refresh", async (c) => {
    const db = c.req.param("db");
    await answerOf(apiOf(c).v1.databases[":db"].refresh.$post({ param: { db } }));
    return c.redirect(`/databases/${db}`, 303);
  })

  .get("/runs/:id", async (c) => {
    const run = await answerOf(apiOf(c).v1.runs[":id"].$get({ param: { id: c.req.param("id") } }));
    const param = { db: run.database };
    // Only a run under way has a progress to estimate, and its database is there.
    const expected =
      run.finishedAt === null
        ? (await answerOf(apiOf(c).v1.databases[":db"].$get({ param }))).newestBackup?.raw.bytes
        : undefined;
    const { name: who } = c.get("caller");
    return show(c, RunPage({ who, run, expected, now: c.env.deps.now() }));
  });
