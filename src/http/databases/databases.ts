import { Hono } from "hono";
import * as v from "valibot";
import {
  type Backup,
  findBackup,
  listBackups,
  newestBackup,
  newestDrilled,
  newestGood,
  newestVerified,
} from "../../catalog/backups.ts";
import { findRun, type NewRun, type Run } from "../../catalog/runs.ts";
import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { startRunOnce } from "../../jobs/schedule/start-run.ts";
import { stamp } from "../../plan/stamp.ts";
import { REQUESTED_TIERS, TIERS } from "../../plan/tier.ts";
import { badWords, knownBad } from "../../model/proof.ts";
import { isTable } from "../../errors/schema-issue.ts";
import { needs, note } from "../access/needs.ts";
import { restoreMoment } from "../backups/restore.ts";
import { configured, knownDatabase } from "../configured.ts";
import { healthPath } from "../watch/health.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { atField, text } from "../fields.ts";
import { byName, newestFirst, pageOf, placeOf } from "../paging.ts";
import { backupSummary, backupView, databaseViews, runView } from "../views.ts";
import { diff } from "./diff.ts";
import { history } from "./history.ts";
import { listKnown } from "./list-known.ts";
import { erasures } from "./erasures.ts";
import { refresh } from "./refresh.ts";
import { moments } from "./moments.ts";
import { restoreSomeRows } from "./restore-rows.ts";
import { source } from "./source.ts";
import { about, json } from "../openapi/about.ts";
import { BACKUP, BACKUP_SUMMARY, backupAnswer, backupsAnswer } from "../answers/backup.ts";
import { DATABASE, databaseAnswer, databasesAnswer } from "../answers/database.ts";
import { QUEUED_RUN, RUN, runAnswer } from "../answers/run.ts";
import { confirmedOf } from "../../catalog/fleet/confirmations.ts";

const newBackupSchema = v.strictObject({
  name: v.optional(text(100)),
  tier: v.optional(
    v.picklist(REQUESTED_TIERS, `must be one of ${REQUESTED_TIERS.join(", ")}`),
    "manual",
  ),
  labels: v.optional(
    v.pipe(
      v.custom<Record<string, unknown>>(isTable, "must be an object of texts"),
      v.metadata({
        ...{ type: "object", maxProperties: 20 },
        propertyNames: { minLength: 1, maxLength: 50, pattern: "^\\P{Cc}*$" },
        additionalProperties: {
          ...{ type: "string", minLength: 1, maxLength: 200, pattern: "^\\P{Cc}*$" },
        },
      }),
      v.record(text(50), text(200)),
      v.check((labels) => Object.keys(labels).length <= 20, "must be 20 at the most"),
    ),
    {},
  ),
  wait: v.optional(
    v.pipe(
      v.boolean("must be true or false"),
      v.description("Answer when the run has ended, or after ten minutes."),
    ),
    false,
  ),
});

const listDatabasesSchema = v.strictObject(byName);

const listSchema = v.strictObject({
  ...newestFirst,
  tier: v.optional(v.picklist(TIERS, `must be one of ${TIERS.join(", ")}`)),
  name: v.optional(v.pipe(text(100), v.description("A part of it."))),
  migration: v.optional(v.pipe(text(200), v.description("A part of its name."))),
  label: v.optional(v.pipe(text(251), v.description("A label's name, or `name=value`."))),
  since: v.optional(atField),
  until: v.optional(atField),
});

/** Longest time that a request with `wait` is held, ms, and the interval at which it looks, ms. */
const WAIT_AT_MOST = 10 * 60_000;
const lookInterval = (waited: number): number => Math.min(200 + waited / 20, 3000);

async function awaitRun({ catalog, deps }: Context, id: string): Promise<Run> {
  const begun = deps.now();
  for (;;) {
    const run = await findRun(catalog, id);
    if (run === undefined) throw new NightjarError("RUN_NOT_FOUND", `There is no run ${id}.`);
    const waited = deps.now() - begun;
    if (run.finishedAt !== null || waited > WAIT_AT_MOST) return run;
    await deps.sleep(lookInterval(waited));
  }
}

/** The words that name a backup of a database. */
const NEWEST = {
  latest: newestBackup,
  "latest-verified": newestVerified,
  "latest-drilled": newestDrilled,
} as const;

function missing(database: string, wanted: string): string {
  if (wanted === "latest-drilled") return `${database} has no backup whose drill passed.`;
  if (wanted === "latest-verified") return `${database} has no backup whose verify passed.`;
  return `${database} has no backup ${wanted}.`;
}

/**
 * Nobody gets a backup that does not restore without asking for it by its id.
 *
 * @throws NightjarError `BACKUP_KNOWN_BAD`
 */
async function refuseKnownBad({ catalog }: Context, newest: Backup): Promise<void> {
  const bad = knownBad(newest);
  if (bad === null) return;
  const { id, database } = newest;
  const good = await newestGood(catalog, database);
  const instead =
    good === undefined
      ? `${database} has no backup that is not known to be bad: make one with \`nightjar backup ${database}\`.`
      : `The newest that is not known to be bad is ${good.id}, taken ${good.manifest.takenAt}: name it with \`--backup ${good.id}\`.`;
  throw new NightjarError("BACKUP_KNOWN_BAD", badWords(id, bad), {
    hint: `${instead} To have the bad one all the same, name it: \`--backup ${id}\`.`,
  });
}

/** `/v1/databases`: the databases, their backups, starting one, and everything else about one database. */
export const databases = new Hono<HttpEnv>()
  .get(
    "/",
    about(
      "listDatabases",
      "List the databases, and how each is",
      {
        200: json(
          databasesAnswer,
          {
            ...{ databases: [DATABASE], next: "shop" },
            healthUrl: "https://nightjar.example/health?key=…",
          },
          "A page of those that the token reaches.",
        ),
      },
      {
        text: "In the order of their names; one that is not protected any more is among them while it has backups.",
      },
    ),
    needs("read", "own"),
    input("query", listDatabasesSchema, { limit: "50", cursor: "shop" }),
    async (c) => {
      const { rights } = c.get("caller");
      const { cursor = "", limit } = c.req.valid("query");
      const origin = new URL(c.req.url).origin;
      const found = await listKnown(c.env, rights, cursor, limit + 1);
      const page = found.slice(0, limit);
      // Its key opens the health of all databases.
      const healthUrl = rights.databases === undefined ? origin + healthPath(c.env.config) : null;
      return c.json({
        ...{ databases: await databaseViews(c.env, page, origin), healthUrl },
        next: found.length > limit ? page.at(-1)!.name : null,
      });
    },
  )

  .get(
    "/:db",
    about("getDatabase", "Show one database", {
      200: json(databaseAnswer, DATABASE, "The database."),
    }),
    needs("read", "database"),
    async (c) => {
      const database = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      const [view] = await databaseViews(c.env, [database], new URL(c.req.url).origin);
      return c.json(view!);
    },
  )

  .get(
    "/:db/backups",
    about("listBackups", "List the backups of a database, newest first", {
      200: json(
        backupsAnswer,
        { configured: true, backups: [BACKUP_SUMMARY], next: null },
        "A page of them.",
      ),
    }),
    needs("read", "database"),
    input("query", listSchema, { tier: "deploy", label: "commit=4f2a91c", limit: "20" }),
    async (c) => {
      const { name, config } = await knownDatabase(
        c.env,
        c.req.param("db"),
        c.get("caller").rights,
      );
      const { limit, cursor, since, until, ...rest } = c.req.valid("query");
      const ms = (at: string | undefined) => (at === undefined ? undefined : Date.parse(at));
      const filter = { ...rest, since: ms(since), until: ms(until) };
      const found = await listBackups(c.env.catalog, name, limit + 1, placeOf(cursor), filter);
      const { page, next } = pageOf(found, limit, ({ takenAt }) => takenAt);
      const isConfigured = config !== undefined;
      const stands = await confirmedOf(
        c.env.catalog,
        page.map(({ id }) => id),
      );
      const shown = page.map((backup) => backupSummary(backup, stands.get(backup.id)));
      return c.json({ configured: isConfigured, backups: shown, next });
    },
  )

  .post(
    "/:db/backups",
    about(
      "startBackup",
      "Start a run that makes a backup",
      {
        200: json(runAnswer, RUN, "With `wait`: the run, which has ended."),
        202: {
          ...json(runAnswer, QUEUED_RUN, "The run, which goes on; with `wait` after ten minutes."),
          headers: { location: "The run's path." },
        },
      },
      {
        text: "`tier` decides how long it is kept. `DATABASE_NOT_CONFIGURED` (409) where Nightjar knows backups of it, and no server.",
      },
    ),
    needs("backup", "database", "backup"),
    input("json", newBackupSchema, {
      name: "before the price change",
      tier: "deploy",
      labels: { commit: "4f2a91c" },
      wait: true,
    }),
    async (c) => {
      const { name: database } = await configured(c.env, c.req.param("db"), c.get("caller").rights);
      const { name = null, tier, labels, wait } = c.req.valid("json");
      const trigger = tier === "deploy" ? "deploy" : "api";
      const id = `${database}-${stamp(c.env.deps.now())}-${randomId(c.env.deps)}`;
      const run: NewRun = { id, database, trigger, tier, name, labels, scheduledFor: null };
      await startRunOnce(c.env, run);
      note(c, { run: id, tier });
      const started = wait ? await awaitRun(c.env, id) : (await findRun(c.env.catalog, id))!;
      c.header("location", `/v1/runs/${id}`);
      return c.json(runView(started), started.finishedAt === null ? 202 : 200);
    },
  )

  .get(
    "/:db/backups/:backup",
    about(
      "findBackup",
      "Show one backup of a database, or its newest",
      {
        200: json(backupAnswer, BACKUP, "The backup."),
      },
      {
        text: "`latest` is refused with `BACKUP_KNOWN_BAD` while a proof says that the newest is bad.",
        path: {
          backup: [
            "Its id, `latest`, `latest-verified` (the newest whose verify passed, and no drill failed), or `latest-drilled` (the newest whose drill passed).",
            "latest",
          ],
        },
      },
    ),
    needs("read", "database"),
    async (c) => {
      const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
      const wanted = c.req.param("backup");
      const { catalog } = c.env;
      const find = Object.hasOwn(NEWEST, wanted)
        ? NEWEST[wanted as keyof typeof NEWEST]
        : undefined;
      const found = await (find?.(catalog, name) ?? findBackup(catalog, wanted));
      if (found === undefined || found.database !== name)
        throw new NightjarError("BACKUP_NOT_FOUND", missing(name, wanted));
      if (wanted === "latest") await refuseKnownBad(c.env, found);
      const stands = await confirmedOf(catalog, [found.id]);
      return c.json(backupView(found, stands.get(found.id)));
    },
  )

  .route("/", moments)
  .route("/", source)
  .route("/", restoreMoment)
  .route("/", restoreSomeRows)
  .route("/", refresh)
  .route("/", diff)
  .route("/", history)
  .route("/", erasures);
