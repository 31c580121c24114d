import type { WorkflowStep } from "cloudflare:workers";
import { backupOfRun, enterBackup } from "../../catalog/backups.ts";
import { endLineage } from "../../catalog/lineages.ts";
import { failRun, findRun, finishRun, updateRun } from "../../catalog/runs.ts";
import { removeUpload } from "../../catalog/uploads.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Manifest } from "../../model/manifest.ts";
import { type Act, isBad } from "../../model/proof.ts";
import { writeManifest } from "../../store/document.ts";
import { capture } from "./capture.ts";
import { recoverUploads } from "../recovery/recover-uploads.ts";
import { prove } from "../proof/prove.ts";
import { refuseUnencrypted } from "./refuse-unencrypted.ts";
import { runCopy } from "../second-copy/run-copy.ts";
import { stepError } from "../step-error.ts";

/** Long enough for any dump that a Worker's CPU time allows; a stalled source is found much sooner. */
const CAPTURE_TIMEOUT = "12 hours";
const PROOF_TIMEOUT = "2 hours";
const PUBLISH_RETRIES = { limit: 8, delay: "2 seconds", backoff: "exponential" } as const;

/** A backup of up to so many bytes is restored in a drill each time, and not by its schedule alone. */
const DRILL_ALWAYS = 64 * 1024 * 1024;

/**
 * A run, as the steps of a durable Workflow: capture the bytes, publish them, read them back, restore
 * them in scratch space where they are few. A step that fails is tried again with growing pauses; a
 * killed Worker goes on at the step where it was.
 */
export async function runBackup(
  context: Context,
  runId: string,
  step: WorkflowStep,
): Promise<void> {
  try {
    const attempts = await step.do("plan", () => attemptsOf(context, runId));
    const retries = { limit: attempts - 1, delay: "5 seconds", backoff: "exponential" } as const;
    const options = { retries, timeout: CAPTURE_TIMEOUT } as const;
    const manifest = await step.do("capture", options, () =>
      recorded(context, runId, () => attempt(context, runId)),
    );
    await step.do("publish", { retries: PUBLISH_RETRIES }, () =>
      recorded(context, runId, () => publish(context, manifest)),
    );
    const proof = (act: Act) =>
      step.do(act, { retries: PUBLISH_RETRIES, timeout: PROOF_TIMEOUT }, () =>
        recorded(context, runId, () => provenOrFail(context, manifest, act)),
      );
    let provenAt = await proof("verify");
    if (manifest.raw.bytes <= DRILL_ALWAYS) provenAt = await proof("drill");
    await step.do("finish", { retries: PUBLISH_RETRIES }, () =>
      recorded(context, runId, () => finish(context, manifest, provenAt)),
    );
    if (manifest.snapshot?.cursor != null && manifest.snapshot.method.protocol === "replica")
      await step.do("seed", () => seed(context, manifest));
    if (isCopied(context, manifest)) await copy(context, manifest, step);
  } catch (thrown) {
    await step.do("fail", { retries: PUBLISH_RETRIES }, () => fail(context, runId, thrown));
    throw thrown;
  }
}

async function attemptsOf(context: Context, runId: string): Promise<number> {
  const run = await findRun(context.catalog, runId);
  return context.config.databases.get(run?.database ?? "")?.attempts ?? 1;
}

async function attempt(context: Context, runId: string): Promise<Manifest> {
  const { catalog, config, deps } = context;
  const run = await findRun(catalog, runId);
  if (run === undefined)
    throw new NightjarError("RUN_NOT_FOUND", `The catalog has no run ${runId}.`);
  const database = config.databases.get(run.database);
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
 * Make the captured bytes a backup: the manifest, then the catalog. May be repeated. It counts as good
 * only when it has been read back.
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
 * @returns when it was proven, ISO 8601
 * @throws NightjarError what the proof found to be wrong: such a run has failed, and its backup stays
 *   for whoever wants to see
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
  // The next backup would be made of the same log, and be as bad: let it read the whole database.
  if (act === "verify" && snapshot?.log)
    await endLineage(catalog, snapshot.log.lineage, deps.now());
  const { code, message, hint } = problem!;
  throw new NightjarError(code, message, { hint });
}

/** A run ends with its last proof, so that the bucket alone tells when. */
async function finish(
  { catalog }: Context,
  { runId, id, key }: Manifest,
  provenAt: string,
): Promise<void> {
  await finishRun(catalog, runId, id, Date.parse(provenAt));
  log.info("backup-done", { run: runId, key });
}

/**
 * Begin the page log with the backup, so that the next one need only ask for what has changed. The
 * backup is made: that this fails is told, and the next backup reads the whole again.
 */
async function seed({ followers }: Context, { database, id }: Manifest): Promise<void> {
  try {
    await followers.seed(database, id);
  } catch (thrown) {
    log.error("log-not-seeded", thrown, { database, backup: id });
  }
}

function isCopied({ config, secondStore }: Context, { database }: Manifest): boolean {
  return secondStore !== undefined && config.databases.get(database)?.copy !== false;
}

/**
 * The second copy. The backup is made and proven: that this fails is on the backup and in the log, and
 * the night tries again.
 */
async function copy(context: Context, { id }: Manifest, step: WorkflowStep): Promise<void> {
  try {
    await runCopy(context, id, step);
  } catch (thrown) {
    log.error("copy-abandoned", thrown, { backup: id });
  }
}

/** Errors lose their code between steps, so each attempt writes its own to the run. */
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

async function fail(context: Context, runId: string, thrown: unknown): Promise<void> {
  const { catalog, deps } = context;
  const run = await findRun(catalog, runId);
  const report = run?.error ?? asNightjarError(thrown).report();
  await failRun(catalog, runId, report, deps.now());
  log.error("run-failed", new NightjarError(report.code, report.message, report), { run: runId });
}
