import { enterBackup } from "../../catalog/backups.ts";
import { ACTIVE_STATES } from "../../model/run-state.ts";
import { findRun, finishRun } from "../../catalog/runs.ts";
import { removeUpload, type Upload, uploadsOf } from "../../catalog/uploads.ts";
import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { parseManifest } from "../../model/parse-manifest.ts";
import { readDocument } from "../../store/document.ts";
import { placeOf } from "../../store/keys.ts";
import { abandonUpload } from "../../store/multipart.ts";
import { objectExists } from "../../store/read.ts";
import { isLocked } from "../../store/refusal.ts";

/**
 * Finish what killed runs of a database have left: enter a backup whose manifest was written in the
 * catalog, and remove the bytes of one whose manifest was not. Runs that are still at work are left
 * alone. Bytes that a lock rule of the bucket holds stay, and every later run tries again.
 *
 * @param runId the run that does this; what its own earlier attempts have left is finished too
 */
export async function recoverUploads(
  context: Context,
  database: string,
  runId: string,
): Promise<void> {
  for (const upload of await uploadsOf(context.catalog, database)) {
    if (upload.key.startsWith("log/")) continue; // the Follower's upload
    try {
      if (upload.runId === runId || !(await isActive(context, upload.runId)))
        await healUpload(context, upload);
    } catch (error) {
      // An upload that cannot be finished now must not prevent the next backup.
      if (isLocked(error)) log.warn("upload-locked", { key: upload.key, run: upload.runId });
      else log.error("recovery-failed", error, { key: upload.key, run: upload.runId });
    }
  }
}

async function isActive({ catalog }: Context, runId: string): Promise<boolean> {
  const run = await findRun(catalog, runId);
  return run !== undefined && ACTIVE_STATES.includes(run.state);
}

async function healUpload({ catalog, bucket, deps }: Context, upload: Upload): Promise<void> {
  const { key, manifestKey, uploadId, runId } = upload;
  const text = await readDocument(bucket, manifestKey);
  if (text === null) {
    // The bytes are deleted below: a single wrong answer of R2 must not be enough for that.
    if (await objectExists(bucket, manifestKey))
      throw new NightjarError("STORE_FAILED", `R2 has ${manifestKey}, and does not give it.`);
    await abandonUpload(bucket, key, uploadId);
    log.info("upload-abandoned", { key, run: runId });
  } else {
    const manifest = parseManifest(text, placeOf(manifestKey));
    await enterBackup(catalog, manifest);
    await finishRun(catalog, runId, manifest.id, deps.now());
    log.info("backup-recovered", { key, run: runId });
  }
  await removeUpload(catalog, key);
}
