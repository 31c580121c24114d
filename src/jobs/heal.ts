import { enterBackup } from "../catalog/backups.ts";
import { ACTIVE_STATES } from "../catalog/schema.ts";
import { findRun, finishRun } from "../catalog/runs.ts";
import { removeUpload, uploadsOf } from "../catalog/uploads.ts";
import type { Context } from "../context.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { readManifest } from "../store/manifest.ts";
import { abandonUpload } from "../store/multipart.ts";

/**
 * Finish what killed runs of a database have left: a backup whose manifest was written enters the
 * catalog, and the bytes of one that was not are removed. Runs that are still at work are left alone.
 *
 * @param runId the run that heals; what its own earlier attempts have left is healed too
 */
export async function healUploads(
  context: Context,
  database: string,
  runId: string,
): Promise<void> {
  const { catalog, bucket, deps } = context;
  for (const upload of await uploadsOf(catalog, database)) {
    if (upload.runId !== runId) {
      const run = await findRun(catalog, upload.runId);
      if (run !== undefined && ACTIVE_STATES.includes(run.state)) continue;
    }
    const text = await readManifest(bucket, upload.manifestKey);
    if (text === null) {
      await abandonUpload(bucket, upload.key, upload.uploadId);
      log.info("upload-abandoned", { key: upload.key, run: upload.runId });
    } else {
      const manifest = JSON.parse(text) as Manifest;
      await enterBackup(catalog, manifest);
      await finishRun(catalog, upload.runId, manifest.id, deps.now());
      log.info("backup-recovered", { key: upload.key, run: upload.runId });
    }
    await removeUpload(catalog, upload.key);
  }
}
