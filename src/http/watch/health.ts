import { type Context as HonoContext, Hono } from "hono";
import { cors } from "hono/cors";
import { readBeats } from "../../catalog/watch/beats.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Config } from "../../config/load.ts";
import { iso } from "../../core/iso.ts";
import { NightjarError } from "../../errors/errors.ts";
import { hasScope, reaches } from "../../plan/access.ts";
import { MINUTE } from "../../plan/duration.ts";
import type { Freshness } from "../../plan/freshness.ts";
import { fleetHealth, healthOf } from "../../read/health.ts";
import { countFailed, refuseBlocked } from "../access/attempts.ts";
import { bearerOf } from "../access/bearer.ts";
import { identify } from "../access/identify.ts";
import { visibleDatabase } from "../databases/badge-access.ts";
import type { HttpEnv } from "../hono-env.ts";
import { sign, signatureHolds, signingKeys } from "../links/signature.ts";
import { about, json } from "../openapi/about.ts";
import {
  DATABASE_HEALTH,
  databaseHealthAnswer,
  FAILING,
  HEALTH,
  healthAnswer,
} from "../answers/watch.ts";
import { orProblem } from "../openapi/problems.ts";

/** Time without a cron after which nothing is watched any more, ms. */
const ASLEEP = 5 * MINUTE;

/** The path of the health of all databases, with the key that opens it. */
export function healthPath({ signingKey }: Config): string {
  return `/health?key=${sign(signingKey, "health", [])}`;
}

/**
 * The databases whose health a request may see: all with the key of `/health`, those that its bearer token
 * reaches, else the public ones.
 *
 * @throws NightjarError `UNAUTHORIZED`, `TOO_MANY_ATTEMPTS` for a wrong token or key; `CATALOG_FAILED`
 */
async function visible(c: HonoContext<HttpEnv>): Promise<DatabaseConfig[]> {
  const { config, fleet } = c.env;
  if (bearerOf(c.req.raw) !== undefined) {
    const { rights } = await identify(c.env, c.req.raw);
    if (!hasScope(rights, "read")) return [];
    return [...(await fleet.all()).values()].filter(({ name }) => reaches(rights, name));
  }
  const key = c.req.query("key");
  if (key !== undefined) {
    if (signatureHolds(key, signingKeys(config), "health", []))
      return [...(await fleet.all()).values()];
    // A monitor with an old key must not read that all is well with nothing.
    refuseBlocked(c.env, c.req.raw);
    await countFailed(c.env, c.req.raw, { shown: "health key" });
    throw new NightjarError("UNAUTHORIZED", "The key of this address is not valid.", {
      hint: "`nightjar health` prints the address of today.",
    });
  }
  // Those that Turso lists are not read for everybody who comes by.
  return [...config.databases.values()].filter(({ badge }) => badge === "public");
}

const KEY = { key: ["What opens it, where that is needed.", "…"] } as const;

/**
 * `/health` and `/health/:db`, for uptime monitors: 200 while a fresh backup is known to be good, 503
 * otherwise. `/health` says so of all databases that may be seen, and that the cron is awake.
 */
export const health = new Hono<HttpEnv>()
  .use(cors({ origin: "*", allowMethods: ["GET"] }))
  .get(
    "/",
    about(
      "getHealth",
      "Tell a monitor whether all is well",
      {
        200: json(
          healthAnswer,
          HEALTH,
          "The cron is awake, and every database that may be seen is fresh.",
        ),
        503: orProblem(json(healthAnswer, FAILING, "One is not, or the cron sleeps.")),
      },
      {
        text: "Of all databases with the key of `healthUrl` (`GET /v1/databases`), of those that a token reaches, or of the public ones.",
        token: "optional",
        query: KEY,
      },
    ),
    async (c) => {
      const databases = await visible(c);
      const { minute } = await readBeats(c.env.catalog);
      const healths = [...(await fleetHealth(c.env, databases)).values()];
      const states: Partial<Record<Freshness, number>> = {};
      for (const { state } of healths) states[state] = (states[state] ?? 0) + 1;
      const failing = healths
        .filter(({ state }) => state !== "fresh")
        .map(({ database, state }) => ({ database: database.name, state }));
      const awake = minute !== undefined && c.env.deps.now() - minute.at <= ASLEEP;
      const ok = awake && failing.length === 0;
      c.header("cache-control", "no-store");
      const answer = {
        status: ok ? "ok" : awake ? "failing" : "asleep",
        cron: { at: iso(minute?.at), error: minute?.error?.code ?? null },
        ...{ databases: healths.length, states, failing },
      };
      return c.json(answer, ok ? 200 : 503);
    },
  )

  .get(
    "/:db",
    about(
      "getDatabaseHealth",
      "Tell a monitor whether a database is well",
      {
        200: json(
          databaseHealthAnswer,
          DATABASE_HEALTH,
          "A backup that is known to be good is fresh.",
        ),
        503: orProblem(
          json(databaseHealthAnswer, { ...DATABASE_HEALTH, state: "late" }, "None is."),
        ),
      },
      {
        text: "Public or not as the badge; the same key opens it.",
        token: "optional",
        query: KEY,
        path: { db: ["The database's name.", "shop"] },
      },
    ),
    async (c) => {
      const database = await visibleDatabase(c.env, c.req.param("db"), c.req.raw);
      if (database === undefined)
        throw new NightjarError("NOT_FOUND", "There is no such database.");
      const { state, standing } = await healthOf(c.env, database);
      c.header("cache-control", "no-store");
      const answer = {
        database: database.name,
        state,
        takenAt: iso(standing.newest?.takenAt),
        verifiedTakenAt: iso(standing.verified?.takenAt),
        confirmedAt: iso(standing.newest?.stands?.confirmedAt),
      };
      return c.json(answer, state === "fresh" ? 200 : 503);
    },
  );
