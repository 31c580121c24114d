import {
  DurableObject,
  WorkflowEntrypoint,
  type WorkflowEvent,
  type WorkflowStep,
} from "cloudflare:workers";
import { openCatalog } from "./catalog/open.ts";
import { type Config, loadConfig } from "./config/config.ts";
import type {
  BackupWorkflows,
  Context,
  CopyWorkflows,
  Followers,
  LogPosition,
  ProofWorkflows,
} from "./worker/context.ts";
import { systemDeps } from "./core/deps.ts";
import type { CopyParams, Env, ProofParams } from "./worker/env.ts";
import { asNightjarError, type ErrorReport, messageOf, NightjarError } from "./errors/errors.ts";
import { app } from "./http/app.ts";
import { bearerIs } from "./http/auth.ts";
import { problem } from "./http/problem.ts";
import { runBackup } from "./jobs/backup/backup.ts";
import { LogFollower } from "./jobs/log/follow.ts";
import { guardedBucket } from "./worker/guarded-bucket.ts";
import { startDueRuns } from "./jobs/schedule/start-due-runs.ts";
import { isolateMemory } from "./worker/memory.ts";
import { runCopy } from "./jobs/second-copy/run-copy.ts";
import { runProof } from "./jobs/proof/run-proof.ts";
import { runNightly } from "./jobs/schedule/nightly.ts";
import { log } from "./core/log.ts";
import type { SecondStore } from "./store/second/second-store.ts";
import { secondR2 } from "./store/second/r2.ts";
import { secondS3 } from "./store/second/s3.ts";
import { S3Client } from "./store/second/s3-request.ts";

/** The cron of wrangler.toml that prunes and reconciles; every other one looks for what is due. */
const PRUNE_CRON = "30 3 * * *";

function contextOf(env: Env): Context {
  const config = loadConfig(env as unknown as Record<string, unknown>);
  const catalog = openCatalog(env.DB);
  return {
    config,
    catalog,
    bucket: guardedBucket(env.BUCKET, catalog, config.signingKey, config.formerSigningKeys),
    workflows: workflowsOf(env.BACKUP),
    proofs: proofsOf(env.PROOF),
    copies: copiesOf(env.SECOND_COPY),
    secondStore: secondOf(config, env.COPY_BUCKET),
    followers: followersOf(env.FOLLOWER),
    deps: systemDeps,
    memory: isolateMemory,
  };
}

function secondOf(
  { copy, copyKeys }: Config,
  bucket: R2Bucket | undefined,
): SecondStore | undefined {
  if (copy === undefined) return undefined;
  if ("bucket" in copy) return secondR2(bucket!, copy.prefix); // the configuration made sure of it
  const client = new S3Client(copy, copyKeys!, systemDeps);
  return secondS3(client, `${copy.endpoint}/${copy.prefix}`, copy.prefix);
}

function workflowsOf(binding: Env["BACKUP"]): BackupWorkflows {
  return {
    async create(runId) {
      await binding.create({ id: runId, params: { runId } });
    },
    status: async (runId) => statusOf(binding, runId),
  };
}

function proofsOf(binding: Env["PROOF"]): ProofWorkflows {
  return {
    async start(backupId, act, moment) {
      const id = `${act}-${backupId}-${moment}`;
      if ((await statusOf(binding, id)) !== "missing") return;
      await binding.create({ id, params: { backupId, act } });
    },
  };
}

function copiesOf(binding: Env["SECOND_COPY"]): CopyWorkflows {
  return {
    async start(backupId, moment) {
      const id = `copy-${backupId}-${moment}`;
      if ((await statusOf(binding, id)) !== "missing") return;
      await binding.create({ id, params: { backupId } });
    },
  };
}

async function statusOf(
  binding: Env["BACKUP"] | Env["PROOF"] | Env["SECOND_COPY"],
  id: string,
): ReturnType<BackupWorkflows["status"]> {
  try {
    const instance = await binding.get(id);
    return (await instance.status()).status;
  } catch (error) {
    if (/not.?found/i.test(messageOf(error))) return "missing";
    throw error;
  }
}

function followersOf(namespace: Env["FOLLOWER"]): Followers {
  const of = (database: string) => namespace.get(namespace.idFromName(database));
  return {
    pull: async (database) => opened(await of(database).pull(database)),
    seed: async (database, backupId) => {
      opened(await of(database).seed(database, backupId));
    },
    follow: async (database) => of(database).follow(database),
  };
}

/** Errors lose their code on the way out of a Durable Object, so that they go as values. */
type Outcome<T> = { value: T } | { error: ErrorReport };

async function outcomeOf<T>(action: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await action() };
  } catch (thrown) {
    return { error: asNightjarError(thrown).report() };
  }
}

function opened<T>(outcome: Outcome<T>): T {
  if ("value" in outcome) return outcome.value;
  const { code, message, hint } = outcome.error;
  throw new NightjarError(code, message, { hint });
}

/** A refused configuration answers everything; only the admin reads what is wrong with it. */
function refuse(request: Request, env: Env, thrown: unknown): Response {
  const error = asNightjarError(thrown);
  log.error("configuration-refused", error);
  if (env.ADMIN_TOKEN && bearerIs(request, env.ADMIN_TOKEN)) return problem(error);
  return problem(
    new NightjarError(error.code, "Nightjar's configuration is refused; its log says why."),
  );
}

export default {
  async fetch(request, env): Promise<Response> {
    let context: Context;
    try {
      context = contextOf(env);
    } catch (error) {
      return refuse(request, env, error);
    }
    return app.fetch(request, context);
  },

  async scheduled(controller, env): Promise<void> {
    try {
      const context = contextOf(env);
      if (controller.cron === PRUNE_CRON) await runNightly(context, controller.scheduledTime);
      else await startDueRuns(context, controller.scheduledTime);
    } catch (error) {
      log.error("cron-failed", error, { cron: controller.cron });
      throw error;
    }
  },
} satisfies ExportedHandler<Env>;

/** The durable run of one backup; its instance id is the run's id. */
export class BackupWorkflow extends WorkflowEntrypoint<Env, { runId: string }> {
  override async run(event: WorkflowEvent<{ runId: string }>, step: WorkflowStep): Promise<void> {
    await runBackup(contextOf(this.env), event.payload.runId, step);
  }
}

/** The durable proof of one backup, apart from the run that made it. */
export class ProofWorkflow extends WorkflowEntrypoint<Env, ProofParams> {
  override async run(event: WorkflowEvent<ProofParams>, step: WorkflowStep): Promise<void> {
    const { backupId, act } = event.payload;
    await runProof(contextOf(this.env), backupId, act, step);
  }
}

/** The durable copy of one backup to the second store. */
export class CopyWorkflow extends WorkflowEntrypoint<Env, CopyParams> {
  override async run(event: WorkflowEvent<CopyParams>, step: WorkflowStep): Promise<void> {
    await runCopy(contextOf(this.env), event.payload.backupId, step);
  }
}

/** The one writer of a database's page log; its name is the database's. */
export class Follower extends DurableObject<Env> {
  readonly #follower = new LogFollower();

  async pull(database: string): Promise<Outcome<LogPosition | null>> {
    return outcomeOf(() => this.#follower.pull(contextOf(this.env), database));
  }

  async seed(database: string, backupId: string): Promise<Outcome<null>> {
    return outcomeOf(async () => {
      await this.#follower.seed(contextOf(this.env), database, backupId);
      return null;
    });
  }

  /** Wake by alarm from now on, unless it does already. An alarm does not know its object's name. */
  async follow(database: string): Promise<void> {
    await this.ctx.storage.put("database", database);
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now());
  }

  override async alarm(): Promise<void> {
    const database = await this.ctx.storage.get<string>("database");
    if (database === undefined) return;
    // A wake reports its own failures; what else fails, Cloudflare tries again.
    const pause = await this.#follower.wake(contextOf(this.env), database);
    if (pause !== undefined) await this.ctx.storage.setAlarm(Date.now() + pause);
  }
}
