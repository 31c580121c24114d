import { type Context as HonoContext, Hono } from "hono";
import { lastRefreshes } from "../../catalog/refreshes.ts";
import { readBeats } from "../../catalog/watch/beats.ts";
import { channelStates } from "../../catalog/watch/deliveries.ts";
import { openIncidents } from "../../catalog/watch/incidents.ts";
import { readWatches } from "../../catalog/watch/watches.ts";
import { readUsage } from "../../catalog/usage.ts";
import { namesOf } from "../../config/channels.ts";
import { secretsEqual } from "../../core/secrets-equal.ts";
import { VERSION } from "../../core/version.ts";
import { NightjarError } from "../../errors/errors.ts";
import { hasScope, reaches } from "../../plan/access.ts";
import { SEVERITIES } from "../../plan/alerts/alert.ts";
import { STATES } from "../../plan/freshness.ts";
import { fleetHealth, type Health } from "../../read/health.ts";
import { type Family, OPEN_METRICS, openMetrics, type Sample } from "../../web/open-metrics.ts";
import { bearerOf } from "../access/bearer.ts";
import { identify } from "../access/identify.ts";
import type { HttpEnv } from "../hono-env.ts";
import { about, media } from "../openapi/about.ts";

/**
 * Find the databases whose metrics a request may read: all with the secret METRICS_TOKEN, else those that its
 * token reaches.
 *
 * @throws NightjarError `UNAUTHORIZED`, `TOO_MANY_ATTEMPTS`, `FORBIDDEN`, `CATALOG_FAILED`
 */
async function readable(c: HonoContext<HttpEnv>): Promise<(name: string) => boolean> {
  const given = bearerOf(c.req.raw);
  const own = c.env.config.metricsToken;
  if (given !== undefined && own !== undefined && secretsEqual(given, own)) return () => true;
  const { name, rights } = await identify(c.env, c.req.raw);
  if (!hasScope(rights, "read"))
    throw new NightjarError("FORBIDDEN", `This needs the scope read; token ${name} lacks it.`);
  return (database) => reaches(rights, database);
}

const EXAMPLE = `# TYPE nightjar_build info
# HELP nightjar_build The running version.
nightjar_build_info{version="${VERSION}"} 1
# EOF
`;

/** `/metrics`: what a monitoring service reads, as OpenMetrics. */
export const metrics = new Hono<HttpEnv>().get(
  "/",
  about(
    "getMetrics",
    "Tell a monitoring service everything, as OpenMetrics",
    {
      200: media("The metrics: docs/monitoring/.", { [OPEN_METRICS]: EXAMPLE }),
    },
    { token: "required" },
  ),
  async (c) => {
    const mayRead = await readable(c);
    const { catalog, config, deps, fleet } = c.env;
    const databases = [...(await fleet.all()).values()].filter(({ name }) => mayRead(name));
    const now = deps.now();
    const refreshed = databases.filter(({ refresh }) => refresh !== undefined);
    const [healths, usage, watches, beats, incidents, channels, refreshes] = await Promise.all([
      fleetHealth(c.env, databases),
      readUsage(catalog, now),
      readWatches(catalog),
      readBeats(catalog),
      openIncidents(catalog),
      channelStates(catalog, namesOf(config.channels)),
      lastRefreshes(
        catalog,
        refreshed.map(({ name }) => name),
      ),
    ]);
    const all = [...healths.values()];
    const per = (value: (health: Health) => number | null | undefined): Sample[] =>
      all.flatMap((health) => {
        const found = value(health);
        return found == null ? [] : [{ labels: { database: health.database.name }, value: found }];
      });
    const seconds = (ms: number | null | undefined) => (ms == null ? undefined : ms / 1000);
    const time = (
      name: string,
      help: string,
      value: (health: Health) => number | null | undefined,
    ): Family => ({
      ...{ name: `nightjar_${name}_seconds`, type: "gauge", unit: "seconds", help },
      samples: per((health) => seconds(value(health))),
    });
    const bytes = (name: string, help: string, samples: Sample[]): Family => ({
      ...{ name: `nightjar_${name}_bytes`, type: "gauge", unit: "bytes", help, samples },
    });
    const count = (name: string, help: string, samples: Sample[]): Family => ({
      ...{ name: `nightjar_${name}`, type: "gauge", help, samples },
    });
    const tiers = usage.tiers.filter(({ database }) => mayRead(database));
    const shown = incidents.filter(({ database }) => database === null || mayRead(database));

    const families: Family[] = [
      {
        ...{ name: "nightjar_build", type: "info", help: "The running version." },
        samples: [{ labels: { version: VERSION }, value: 1 }],
      },
      {
        ...{ name: "nightjar_work_timestamp_seconds", type: "gauge", unit: "seconds" },
        help: "When the minute's and the night's work last ended.",
        samples: Object.entries(beats).map(([work, { at }]) => ({
          labels: { work },
          value: at / 1000,
        })),
      },
      count("databases", "Configured databases.", [{ value: all.length }]),
      count("databases_unprotected", "Configured databases without a backup that was verified.", [
        { value: all.filter(({ standing }) => standing.verified === undefined).length },
      ]),
      {
        ...{ name: "nightjar_database_state", type: "stateset", help: "The state of a database." },
        samples: all.flatMap(({ database, state }) =>
          STATES.map((one) => ({
            labels: { database: database.name, nightjar_database_state: one },
            value: one === state ? 1 : 0,
          })),
        ),
      },
      time(
        "last_backup_timestamp",
        "When the newest backup was taken, or last confirmed.",
        ({ standing }) => standing.newest?.currentAt,
      ),
      time(
        "last_verified_timestamp",
        "When the newest backup that was verified was taken, or last confirmed.",
        ({ standing }) => standing.verified?.currentAt,
      ),
      time(
        "last_drilled_timestamp",
        "When the newest backup whose drill passed was taken, or last confirmed.",
        ({ standing }) => standing.drilled?.currentAt,
      ),
      time(
        "last_refresh_timestamp",
        "When the last commit was made that a refresh has brought to the target.",
        ({ database }) => refreshes.get(database.name)?.lastGood?.asOf,
      ),
      time(
        "recovery_point",
        "What would be lost if the source were lost now.",
        ({ recoveryPoint }) => recoveryPoint.measured,
      ),
      time(
        "recovery_point_objective",
        "What may be lost at most.",
        ({ recoveryPoint }) => recoveryPoint.objective,
      ),
      time(
        "recovery_time",
        "How long the last drill took.",
        ({ recoveryTime }) => recoveryTime.measured,
      ),
      time(
        "recovery_time_objective",
        "How long a restore may take.",
        ({ recoveryTime }) => recoveryTime.objective,
      ),
      time("log_lag", "Time since the page log was last known to be complete.", ({ standing }) =>
        standing.lineage === undefined ? undefined : now - standing.lineage.checkedAt,
      ),
      time(
        "log_window",
        "How far the page log reaches into the past.",
        ({ database, standing }) => {
          const from = watches.get(database.name)?.logFrom;
          return standing.lineage === undefined || from == null ? undefined : now - from;
        },
      ),
      time("last_run_duration", "How long the run took that ended last.", ({ standing }) => {
        const run = standing.lastFinished;
        return run === undefined ? undefined : run.finishedAt! - (run.startedAt ?? run.createdAt);
      }),
      bytes(
        "last_run_source",
        "What that run read from the source.",
        per(({ standing }) => standing.lastFinished?.rawBytes),
      ),
      bytes(
        "last_backup_raw",
        "The newest backup, as a database or as SQL.",
        per(({ standing }) => standing.newest?.rawBytes),
      ),
      bytes(
        "last_backup_stored",
        "The newest backup, as it is stored.",
        per(({ standing }) => standing.newest?.storedBytes),
      ),
      count(
        "backups",
        "Backups by tier.",
        tiers.map(({ database, tier, backups }) => ({
          labels: { database, tier },
          value: backups,
        })),
      ),
      bytes("stored", "Bytes of backups in the bucket by tier, pinned copies apart.", [
        ...tiers.map(({ database, tier, storedBytes }) => ({
          labels: { database, tier },
          value: storedBytes,
        })),
        ...tiers
          .filter(({ pinnedBytes }) => pinnedBytes > 0)
          .map(({ database, tier, pinnedBytes }) => ({
            labels: { database, tier: `pinned ${tier}` },
            value: pinnedBytes,
          })),
      ]),
      bytes(
        "log",
        "Bytes of the page log in the bucket.",
        per(({ database }) => watches.get(database.name)?.logBytes),
      ),
      count(
        "runs",
        "Runs that are remembered, by state.",
        usage.runs
          .filter(({ database }) => mayRead(database))
          .map(({ database, state, runs }) => ({ labels: { database, state }, value: runs })),
      ),
      count(
        "incidents",
        "Open incidents by severity.",
        SEVERITIES.map((severity) => ({
          labels: { severity },
          value: shown.filter((one) => one.severity === severity).length,
        })),
      ),
      count(
        "alerts_pending",
        "Messages that a channel has not taken yet.",
        channels.map(({ channel, pending }) => ({ labels: { channel }, value: pending })),
      ),
    ];
    c.header("content-type", OPEN_METRICS);
    c.header("cache-control", "no-store");
    return c.body(openMetrics(families));
  },
);
