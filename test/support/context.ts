import type { WorkflowStep } from "cloudflare:workers";
import { env } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";
import { openCatalog } from "../../src/catalog/open.ts";
import { enterRun, findRun, type NewRun, type Run } from "../../src/catalog/runs.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Context, Followers } from "../../src/worker/context.ts";
import { systemDeps } from "../../src/core/deps.ts";
import { runBackup } from "../../src/jobs/backup/backup.ts";
import { LogFollower } from "../../src/jobs/log/follow.ts";
import { type Attempts, attemptsOf } from "../../src/worker/attempts.ts";
import { guardedBucket } from "../../src/worker/guarded-bucket.ts";
import { ISOLATE_MEMORY } from "../../src/worker/memory.ts";
import { MemoryBudget } from "../../src/core/memory-budget.ts";
import type { SecondStore } from "../../src/store/second/second-store.ts";
import { Fleet } from "../../src/worker/fleet.ts";
import { platformFor, sourcesOf } from "../../src/worker/sources.ts";

const bindings = env;

interface Overrides {
  bucket?: R2Bucket;
  db?: D1Database;
  now?: () => number;
  secrets?: Record<string, string>;
  /** The second store, and further settings of COPY. */
  secondStore?: SecondStore;
  copy?: object;
  memory?: MemoryBudget;
  attempts?: Attempts;
  fetch?: Context["deps"]["fetch"];
  sleep?: Context["deps"]["sleep"];
  email?: Context["email"];
  /** The channels of alerts, and who signs in by Cloudflare Access. */
  alerts?: object;
  access?: object;
  /** The section TURSO. */
  turso?: object;
}

/** The work that a context's Workflows were asked to start. */
interface Started {
  /** Runs, by their ids. */
  started: string[];
  /** Proofs, as `<act>-<backup>-<moment>`. */
  proofsStarted: string[];
  /** Refreshes, by their ids. */
  refreshesStarted: string[];
  /** Copies, as `copy-<backup>-<moment>`. */
  copiesStarted: string[];
}

/** Create a Context over the real local R2 and D1. Its Workflows only record what was started. */
export function testContext(
  databases: Record<string, object>,
  {
    bucket,
    db,
    now,
    secrets,
    secondStore,
    copy,
    memory,
    attempts,
    fetch,
    sleep,
    email,
    alerts,
    access,
    turso,
  }: Overrides = {},
): Context & Started {
  const started: string[] = [];
  const proofsStarted: string[] = [];
  const copiesStarted: string[] = [];
  const refreshesStarted: string[] = [];
  const config = loadConfig({
    ...env,
    ...secrets,
    DATABASES: databases,
    ...(alerts !== undefined && { ALERTS: alerts }),
    ...(access !== undefined && { ACCESS: access }),
    ...(turso !== undefined && { TURSO: turso }),
    ...(email !== undefined && { EMAIL: email }),
    ...(secondStore !== undefined && { COPY: { bucket: "binding", ...copy } }),
  });
  const deps = {
    ...systemDeps,
    ...(now && { now }),
    ...(fetch && { fetch }),
    ...(sleep && { sleep }),
  };
  const platform = platformFor(config, deps);
  const catalog = openCatalog(db ?? bindings.DB);
  const context: Context & Started = {
    config,
    catalog,
    fleet: new Fleet(config, catalog),
    sourceOf: sourcesOf(config, deps, platform),
    platform,
    bucket: guardedBucket(
      bucket ?? bindings.BUCKET,
      catalog,
      config.signingKey,
      config.formerSigningKeys,
    ),
    workflows: {
      async create(runId) {
        started.push(runId);
      },
      status: async (runId) => (started.includes(runId) ? "running" : "missing"),
    },
    proofs: {
      async start(backupId, act, moment) {
        proofsStarted.push(`${act}-${backupId}-${moment}`);
      },
    },
    copies: {
      async start(backupId, moment) {
        copiesStarted.push(`copy-${backupId}-${moment}`);
      },
    },
    refreshes: {
      async start(id) {
        if (!refreshesStarted.includes(id)) refreshesStarted.push(id);
      },
      status: async (id) => (refreshesStarted.includes(id) ? "running" : "missing"),
    },
    secondStore,
    followers: followersOf(() => context),
    memory: memory ?? new MemoryBudget(ISOLATE_MEMORY),
    attempts: attempts ?? attemptsOf(undefined),
    email,
    keepAlive: () => undefined,
    deps,
    started,
    proofsStarted,
    copiesStarted,
    refreshesStarted,
  };
  return context;
}

/** Create the followers of one context, in this isolate. */
function followersOf(context: () => Context): Followers {
  const followers = new Map<string, LogFollower>();
  const of = (name: string) => {
    const follower = followers.get(name) ?? new LogFollower();
    followers.set(name, follower);
    return follower;
  };
  return {
    pull: (database) => of(database).pull(context(), database),
    seed: (database, backupId) => of(database).seed(context(), database, backupId),
    follow: async (database) => {
      await of(database).wake(context(), database);
    },
  };
}

/** Build a run as the API would enter it. */
export function manualRun(database: string, id = `${database}-${crypto.randomUUID()}`): NewRun {
  return {
    id,
    database,
    trigger: "api",
    tier: "manual",
    name: null,
    labels: {},
    scheduledFor: null,
  };
}

/** Runs the steps of a Workflow one after the other, immediately; retries without pauses. */
export const inlineStep = {
  async do(_name: string, ...rest: unknown[]) {
    const action = rest.at(-1) as () => Promise<unknown>;
    const { retries } = (rest.length > 1 ? rest[0] : {}) as { retries?: { limit: number } };
    for (let left = retries?.limit ?? 5; ; left--) {
      try {
        return await action();
      } catch (error) {
        if (left === 0 || error instanceof NonRetryableError) throw error;
      }
    }
  },
} as WorkflowStep;

/** Enter a run and execute it; returns its final state. */
export async function backUp(context: Context, run: NewRun): Promise<Run> {
  await enterRun(context.catalog, run, context.deps.now());
  await runBackup(context, run.id, inlineStep).catch(() => {}); // the run's own row has the error
  return (await findRun(context.catalog, run.id))!;
}

/** List the keys of bytes and manifests, without their proofs. */
export async function backupKeys(
  bucket: R2Bucket = bindings.BUCKET,
  prefix = "",
): Promise<string[]> {
  return (await allKeys(bucket, prefix)).filter((key) => !key.includes(".proof-"));
}

export async function allKeys(bucket: R2Bucket = bindings.BUCKET, prefix = ""): Promise<string[]> {
  return (await bucket.list({ prefix })).objects.map(({ key }) => key).toSorted();
}
