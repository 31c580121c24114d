import type { WorkflowStep } from "cloudflare:workers";
import { recordOrLog } from "../../audit/record.ts";
import { existingBackup } from "../../catalog/backups.ts";
import {
  findRefresh,
  type RefreshRow,
  updateRefresh,
  wasRefreshed,
} from "../../catalog/refreshes.ts";
import { refuseMistakes } from "../../config/database.ts";
import { log } from "../../core/log.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import type { Restored } from "../../model/restore-report.ts";
import { badWords, knownBad } from "../../model/proof.ts";
import { DAY } from "../../plan/duration.ts";
import type { Context } from "../../worker/context.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { planRestore, type RestoreRequest } from "../restore/plan.ts";
import { restore } from "../restore/restore.ts";
import { stepError } from "../step-error.ts";
import { refreshOf } from "./start.ts";

/** The pauses are 1, 2, 4, 8 and 16 minutes; a longer outage is left to the next night. */
const OPTIONS = {
  retries: { limit: 5, delay: "1 minute", backoff: "exponential" },
  timeout: "4 hours",
} as const;
const RECORD_RETRIES = { limit: 10, delay: "5 seconds", backoff: "exponential" } as const;

/** Time after which a target counts as somebody else's again, ms: the drills that refresh one are monthly. */
const FORGOTTEN = 40 * DAY;

/**
 * Run a refresh as a durable Workflow. A restore that a killed Worker left half-done is wiped and done again,
 * by the mark that it has in the target.
 *
 * @throws the error of the step after all tries have failed; it is on the refresh and in the log
 */
export async function runRefresh(context: Context, id: string, step: WorkflowStep): Promise<void> {
  try {
    await step.do("refresh", OPTIONS, () => attempt(context, id));
  } catch (thrown) {
    await step.do("fail", { retries: RECORD_RETRIES }, () => fail(context, id, thrown));
    throw thrown;
  }
}

async function attempt(context: Context, id: string): Promise<void> {
  const { catalog, deps } = context;
  const refresh = await existingRefresh(context, id);
  // A step whose end was lost is run again.
  if (refresh.endedAt !== null) return;
  const begun = { attempt: refresh.attempt + 1, startedAt: refresh.startedAt ?? deps.now() };
  await updateRefresh(catalog, id, { ...begun, state: "running" });
  if (refresh.startedAt === null) await recordOrLog(context, actOf(refresh, "started"));
  try {
    const { saved, verified, seconds } = await refreshTarget(context, refresh);
    const { tables, rows } = verified!;
    const done = { state: "done", endedAt: deps.now(), tables, rows, error: null } as const;
    await updateRefresh(catalog, id, { ...done, saved: saved ?? refresh.saved });
    await recordOrLog(context, actOf(refresh, "done", { rows, seconds }));
    log.info("refresh-done", { refresh: id, database: refresh.database, into: refresh.into, rows });
  } catch (thrown) {
    const error = asNightjarError(thrown);
    log.error("refresh-attempt-failed", error, { refresh: id, database: refresh.database });
    await updateRefresh(catalog, id, { error: error.report() }).catch((other: unknown) =>
      log.error("error-not-recorded", other, { refresh: id }),
    );
    throw stepError(causeOf(error));
  }
}

/**
 * Restore the backup into the target, in place of what is there. It is saved first unless Nightjar has put it
 * there by a refresh.
 *
 * @throws NightjarError `REFRESH_UNAVAILABLE`, `DATABASE_MISCONFIGURED`, `BACKUP_NOT_FOUND`,
 *   `BACKUP_KNOWN_BAD`; as `planRestore` and `restore`
 */
async function refreshTarget(context: Context, row: RefreshRow): Promise<Restored> {
  const { catalog, deps } = context;
  const database = refreshOf(context, row.database);
  refuseMistakes(database);
  const { into, sanitize } = database.refresh;
  const { url, namespace = null } = context.config.databases.get(into)!; // the configuration made sure of it
  // At another address there may be what was never saved.
  const isSame = into === row.into && url === row.url && namespace === row.namespace;
  if (!isSame || sanitize !== row.sanitized)
    throw new NightjarError(
      "REFRESH_UNAVAILABLE",
      `The \`refresh\` of ${row.database} has changed since this one was started.`,
      { hint: `Start another one: \`nightjar refresh ${row.database}\`.` },
    );
  const backup = await existingBackup(catalog, row.backup);
  const bad = knownBad(backup);
  if (bad !== null) throw new NightjarError("BACKUP_KNOWN_BAD", badWords(backup.id, bad));
  const isCopy = await wasRefreshed(catalog, row, deps.now() - FORGOTTEN);
  const request: RestoreRequest = {
    ...{ target: { database: into }, overwrite: true, verify: true, sanitize, isCopy },
    ...{ schemaOnly: false, dataOnly: false },
    way: "auto",
  };
  const planned = await inTurn(context, COSTS.query, () =>
    planRestore(context, { manifest: backup.manifest }, request),
  );
  return restore(context, planned, async () => {});
}

/** @throws NightjarError `REFRESH_UNAVAILABLE` */
async function existingRefresh({ catalog }: Context, id: string): Promise<RefreshRow> {
  const refresh = await findRefresh(catalog, id);
  if (refresh !== undefined) return refresh;
  throw new NightjarError("REFRESH_UNAVAILABLE", `The catalog has no refresh ${id}.`);
}

/**
 * Return the error that decides whether another try can help: why a restore stopped half-way. A target that
 * differs was written to meanwhile, which may be over.
 */
function causeOf(error: NightjarError): NightjarError {
  const { code, message, cause } = error;
  if (code === "RESTORE_INCOMPLETE" && cause instanceof NightjarError) return causeOf(cause);
  return code === "RESTORE_DIFFERS"
    ? new NightjarError("RESTORE_INCOMPLETE", message, { cause: error })
    : error;
}

/** Mark the refresh as failed. */
async function fail(context: Context, id: string, thrown: unknown): Promise<void> {
  const { catalog, deps } = context;
  const refresh = await findRefresh(catalog, id);
  if (refresh === undefined || refresh.endedAt !== null) return;
  const report = refresh.error ?? asNightjarError(thrown).report();
  await updateRefresh(catalog, id, { state: "failed", endedAt: deps.now(), error: report });
  await recordOrLog(context, actOf(refresh, "failed", { code: report.code }));
  const { code, message } = report;
  log.error("refresh-failed", new NightjarError(code, message, report), {
    ...{ refresh: id, database: refresh.database, into: refresh.into },
  });
}

function actOf(
  { id, database, into, backup, sanitized }: RefreshRow,
  outcome: "started" | "done" | "failed",
  facts: Readonly<Record<string, string | number>> = {},
) {
  const detail = { into, backup, sanitized, ...facts };
  return { by: NIGHTJAR, action: "refresh", database, subject: id, outcome, detail } as const;
}
