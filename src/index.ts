import {
  DurableObject,
  WorkflowEntrypoint,
  type WorkflowEvent,
  type WorkflowStep,
} from "cloudflare:workers";
import { log } from "./core/log.ts";
import { asNightjarError, NightjarError } from "./errors/errors.ts";
import { app } from "./http/app.ts";
import { bearerIs } from "./http/access/bearer.ts";
import { problem } from "./http/problem.ts";
import { runBackup } from "./jobs/backup/backup.ts";
import { LogFollower } from "./jobs/log/follow.ts";
import { runProof } from "./jobs/proof/run-proof.ts";
import { runRefresh } from "./jobs/refresh/run-refresh.ts";
import { runNightly } from "./jobs/schedule/nightly.ts";
import { runMinute } from "./jobs/schedule/minute.ts";
import { runCopy } from "./jobs/second-copy/run-copy.ts";
import type { Context, LogPosition } from "./worker/context.ts";
import type { CopyParams, Env, ProofParams, RefreshParams } from "./worker/env.ts";
import { type Outcome, outcomeOf } from "./worker/follower-rpc.ts";
import { openContext } from "./worker/open-context.ts";

/** The cron of wrangler.toml that starts what is due and watches. Every other one is the night's. */
const EVERY_MINUTE = "* * * * *";

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
  async fetch(request, env, invocation): Promise<Response> {
    let context: Context;
    try {
      context = openContext(env, (work) => invocation.waitUntil(work));
    } catch (error) {
      return refuse(request, env, error);
    }
    return app.fetch(request, context);
  },

  async scheduled(controller, env): Promise<void> {
    try {
      const context = openContext(env);
      if (controller.cron === EVERY_MINUTE) await runMinute(context, controller.scheduledTime);
      else await runNightly(context, controller.scheduledTime);
    } catch (error) {
      log.error("cron-failed", error, { cron: controller.cron });
      throw error;
    }
  },
} satisfies ExportedHandler<Env>;

/** The durable run of one backup; its instance id is the run's id. */
export class BackupWorkflow extends WorkflowEntrypoint<Env, { runId: string }> {
  override async run(event: WorkflowEvent<{ runId: string }>, step: WorkflowStep): Promise<void> {
    await runBackup(openContext(this.env), event.payload.runId, step);
  }
}

/** The durable proof of one backup, apart from the run that made it. */
export class ProofWorkflow extends WorkflowEntrypoint<Env, ProofParams> {
  override async run(event: WorkflowEvent<ProofParams>, step: WorkflowStep): Promise<void> {
    const { backupId, act } = event.payload;
    await runProof(openContext(this.env), backupId, act, step);
  }
}

/** The durable copy of one backup to the second store. */
export class CopyWorkflow extends WorkflowEntrypoint<Env, CopyParams> {
  override async run(event: WorkflowEvent<CopyParams>, step: WorkflowStep): Promise<void> {
    await runCopy(openContext(this.env), event.payload.backupId, step);
  }
}

/** The durable restore of one backup into the database that `refresh` names; its instance id is the refresh's. */
export class RefreshWorkflow extends WorkflowEntrypoint<Env, RefreshParams> {
  override async run(event: WorkflowEvent<RefreshParams>, step: WorkflowStep): Promise<void> {
    await runRefresh(openContext(this.env), event.payload.refreshId, step);
  }
}

/** The one writer of a database's page log; its name is the database's. */
export class Follower extends DurableObject<Env> {
  readonly #follower = new LogFollower();

  async pull(database: string): Promise<Outcome<LogPosition | null>> {
    return outcomeOf(() => this.#follower.pull(openContext(this.env), database));
  }

  async seed(database: string, backupId: string): Promise<Outcome<null>> {
    return outcomeOf(async () => {
      await this.#follower.seed(openContext(this.env), database, backupId);
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
    const pause = await this.#follower.wake(openContext(this.env), database);
    if (pause !== undefined) await this.ctx.storage.setAlarm(Date.now() + pause);
  }
}
