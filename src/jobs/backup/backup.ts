import type { WorkflowStep } from "cloudflare:workers";
import { recordOrLog } from "../../audit/record.ts";
import { backupOfRun, enterBackup } from "../../catalog/backups.ts";
import { endLineage } from "../../catalog/lineages.ts";
import { failRun, findRun, finishRun, updateRun } from "../../catalog/runs.ts";
import { removeUpload } from "../../catalog/uploads.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import type { Manifest } from "../../model/manifest.ts";
import { type Beat, beatRun } from "../../notify/heartbeat.ts";
import { type Act, isBad } from "../../model/proof.ts";
import { writeManifest } from "../../store/document.ts";
import { capture } from "./capture.ts";
import { recoverUploads } from "../recovery/recover-uploads.ts";
import { prove } from "../proof/prove.ts";
import { refuseUnencrypted } from "./refuse-unencrypted.ts";
import { refreshAfter } from "../refresh/start.ts";
import { runCopy } from "../second-copy/run-copy.ts";
import { stepError } from "../step-error.ts";

/** Long enough for any dump that a Worker's CPU time allows; a stalled source is detected much sooner. */
const CAPTURE_TIMEOUT = "12 hours";
const PROOF_TIMEOUT = "2 hours";
const PUBLISH_RETRIES = { limit: 8, delay: "2 seconds", backoff: "exponential" } as const;

/** Most bytes of a backup that is drilled by every run, and not by its schedule alone. */
const DRILL_ALWAYS = 64 * 1024 * 1024;

/**
 * Make a backup in the steps of a durable Workflow: capture the bytes, publish them, read them back,
 * and restore them in scratch space if they are few. A step that fails is tried again with growing
 * pauses; after a killed Worker, the run continues with the step that it was at.
 */
export async function runBackup(
  context: Context,
  runId: string,
  step: WorkflowStep,
): Promise<void> {
  try {
    const attempts = await step.do("plan", () => attemptsOf(context, runId));
    await beat(context, runId, step, "start", "");
    const retries = { limit: attempts - 1, delay: "5 seconds", backoff: "exponential" } as const;
    const options = { retries, timeout: CAPTURE_TIMEOUT } as const;
    const manifest = await step.do("capture", options, () =>
      recorded(context, runId, () => attempt(context, runId)),
    );
    await step.do("publish", { retries: PUBLISH_RETRIES }, () =>
      recorded(context, runId, () => publish(context, manifest)),
    );
    await refreshAfter(context, manifest, "backup", step);
    const proof = (act: Act) =>
      step.do(act, { retries: PUBLISH_RETRIES, timeout: PROOF_TIMEOUT }, () =>
        recorded(context, runId, () => provenOrFail(context, manifest, act)),
      );
    let provenAt = await proof("verify");
    await refreshAfter(context, manifest, "verify", step);
    if (manifest.raw.bytes <= DRILL_ALWAYS) {
      provenAt = await proof("drill");
      await refreshAfter(context, manifest, "drill", step);
    }
    await step.do("finish", { retries: PUBLISH_RETRIES }, () =>
      recorded(context, runId, () => finish(context, manifest, provenAt)),
    );
    const words = `${manifest.id}: ${manifest.raw.bytes} bytes, ${manifest.stored.bytes} stored`;
    await beat(context, runId, step, "success", words);
    if (manifest.snapshot?.cursor != null && manifest.snapshot.method.protocol === "replica")
      await step.do("seed", () => seed(context, manifest));
    if (await step.do("plan-copy", () => isCopied(context, manifest)))
      await copy(context, manifest, step);
  } catch (thrown) {
    const code = await step.do("fail", { retries: PUBLISH_RETRIES }, () =>
      fail(context, runId, thrown),
    );
    await beat(context, runId, step, "fail", code);
    throw thrown;
  }
}

async function attemptsOf(context: Context, runId: string): Promise<number> {
  const run = await findRun(context.catalog, runId);
  return (await context.fleet.find(run?.database ?? ""))?.attempts ?? 1;
}

/** Tell the database's heartbeat, if it has one, how the run is doing. A failure is logged. */
async function beat(
  context: Context,
  runId: string,
  step: WorkflowStep,
  kind: Beat,
  words: string,
): Promise<void> {
  const { catalog, config } = context;
  // Only an entry of DATABASES can have one.
  if (![...config.databases.values()].some((one) => one.heartbeatSecret !== undefined)) return;
  try {
    await step.do(`heartbeat-${kind}`, async () => {
      const run = await findRun(catalog, runId);
      await beatRun(context, config.databases.get(run?.database ?? ""), kind, runId, words);
    });
  } catch (thrown) {
    log.error("heartbeat-failed", thrown, { run: runId, beat: kind });
  }
}

async function attempt(context: Context, runId: string): Promise<Manifest> {
  const { catalog, fleet, deps } = context;
  const run = await findRun(catalog, runId);
  if (run === undefined)
    throw new NightjarError("RUN_NOT_FOUND", `The catalog has no run ${runId}.`);
  const database = await fleet.find(run.database);
  if (database === undefined)
    throw new NightjarError("DATABASE_NOT_FOUND", `${run.database} is no longer configured.`);

  await recoverUploads(context, run.database, runId);
  // A Workflow that is started again makes no second backup: one run, one backup.
  const made = await backupOfRun(catalog, runId);
  if (made !== undefined) return made.manifest;
  const now = deps.now();
  const begun = {
    attempt: run.attempt + 1,
    startedAt: run.startedAt ?? now,
    rawBytes: 0,
    storedBytes: 0,
  };
  await updateRun(catalog, runId, { ...begun, state: "capturing" }, now);
  return capture(context, { ...run, ...begun }, database);
}

/**
 * Make the captured bytes a backup: write the manifest, then the catalog's row. May be repeated. The
 * backup counts as good only after it has been read back.
 */
async function publish(context: Context, manifest: Manifest): Promise<void> {
  const { catalog, bucket, deps } = context;
  const { runId, id, key } = manifest;
  await refuseUnencrypted(context, manifest);
  await writeManifest(bucket, manifest);
  await enterBackup(catalog, manifest);
  const bytes = { rawBytes: manifest.raw.bytes, storedBytes: manifest.stored.bytes };
  await updateRun(catalog, runId, { ...bytes, backupId: id }, deps.now());
  await removeUpload(catalog, key);
  log.info("backup-stored", { run: runId, key, ...bytes });
}

/**
 * Prove a backup, and fail if the proof finds it bad.
 *
 * @returns the time of the proof, ISO 8601
 * @throws NightjarError the problem that the proof found: the run has failed then, and its backup is
 *   kept for inspection
 */
async function provenOrFail(context: Context, manifest: Manifest, act: Act): Promise<string> {
  const { catalog, deps } = context;
  const { runId, id, snapshot } = manifest;
  await updateRun(
    catalog,
    runId,
    { state: act === "verify" ? "verifying" : "drilling" },
    deps.now(),
  );
  const { outcome, problem, finishedAt } = await prove(context, id, act, runId);
  if (!isBad(outcome)) return finishedAt;
  // The next backup would be made from the same log and be just as bad: let it read the whole database.
  if (act === "verify" && snapshot?.log)
    await endLineage(catalog, snapshot.log.lineage, deps.now());
  const { code, message, hint } = problem!;
  throw new NightjarError(code, message, { hint });
}

/** Finish a run at the time of its last proof, so that the bucket alone shows when it ended. */
async function finish(
  context: Context,
  { runId, id, key, database, trigger }: Manifest,
  provenAt: string,
): Promise<void> {
  await finishRun(context.catalog, runId, id, Date.parse(provenAt));
  const act = { by: NIGHTJAR, action: "run", database, subject: runId } as const;
  await recordOrLog(context, { ...act, outcome: "done", detail: { trigger, backup: id } });
  log.info("backup-done", { run: runId, key });
}

/**
 * Begin the page log with the backup, so that the next one only needs to ask for changes. The backup is
 * made already: a failure here is logged, and the next backup reads the whole database again.
 */
async function seed({ followers }: Context, { database, id }: Manifest): Promise<void> {
  try {
    await followers.seed(database, id);
  } catch (thrown) {
    log.error("log-not-seeded", thrown, { database, backup: id });
  }
}

async function isCopied({ fleet, secondStore }: Context, { database }: Manifest): Promise<boolean> {
  return secondStore !== undefined && (await fleet.settings(database))?.copy !== false;
}

/**
 * Make the second copy. The backup is made and proven already: a failure is recorded on the backup and
 * in the log, and the nightly pass tries again.
 */
async function copy(context: Context, { id }: Manifest, step: WorkflowStep): Promise<void> {
  try {
    await runCopy(context, id, step);
  } catch (thrown) {
    log.error("copy-abandoned", thrown, { backup: id });
  }
}

/** Run an action and write its error to the run: errors lose their code between steps. */
async function recorded<T>(context: Context, runId: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const error = asNightjarError(thrown);
    log.error("attempt-failed", error, { run: runId });
    const { catalog, deps } = context;
    await updateRun(catalog, runId, { error: error.report() }, deps.now()).catch((other: unknown) =>
      log.error("error-not-recorded", other, { run: runId }),
    );
    throw stepError(error);
  }
}

/** Mark the run as failed. @returns the error's code */
async function fail(context: Context, runId: string, thrown: unknown): Promise<string> {
  const { catalog, deps } = context;
  const run = await findRun(catalog, runId);
  const report = run?.error ?? asNightjarError(thrown).report();
  await failRun(catalog, runId, report, deps.now());
  const act = { by: NIGHTJAR, action: "run", database: run?.database, subject: runId } as const;
  await recordOrLog(context, { ...act, outcome: "failed", detail: { code: report.code } });
  log.error("run-failed", new NightjarError(report.code, report.message, report), { run: runId });
  return report.code;
}
