import { enterUpload } from "../catalog/uploads.ts";
import { type Run, updateRun } from "../catalog/runs.ts";
import type { DatabaseConfig } from "../config.ts";
import type { Context } from "../context.ts";
import { randomId } from "../deps.ts";
import { zstdCompress } from "../format/codec.ts";
import { type DumpFacts, DumpInspector } from "../format/dump-inspector.ts";
import { Meter, tap } from "../format/hash.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { describeSource } from "../source/describe.ts";
import { readDump } from "../source/dump.ts";
import type { Source } from "../source/server.ts";
import { type BackupName, dumpKey, manifestKey } from "../store/keys.ts";
import { writeMultipart } from "../store/multipart.ts";
import { VERSION } from "../version.ts";

/** How often a run's progress is written to the catalog, ms. */
const PROGRESS_EVERY = 2000;

/**
 * One attempt at pulling a database's dump into the bucket, in one pass and flat memory:
 * source → inspect and hash → zstd → hash → R2. The bytes are complete when this returns; the
 * backup exists only once the manifest that it returns is written.
 *
 * @throws NightjarError for whatever goes wrong; then nothing is left in the bucket
 */
export async function captureDump(
  context: Context,
  run: Run,
  database: DatabaseConfig,
): Promise<Manifest> {
  const { deps, bucket, catalog, config } = context;
  const source: Source = { ...database, token: config.token(database) };
  const takenAt = deps.now();
  const name: BackupName = { tier: run.tier, database: run.database, takenAt, id: randomId(deps) };
  const key = dumpKey(name);

  const described = describeSource(source, deps);
  const raw = new Meter();
  const stored = new Meter();
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  const progress = reportProgress(context, run.id, raw, stored);

  async function* wholeDump(): AsyncIterable<Uint8Array> {
    for await (const chunk of readDump(source, deps)) {
      inspector.push(chunk);
      raw.update(chunk);
      yield chunk;
      await progress();
    }
    facts = inspector.end();
    await updateRun(catalog, run.id, { state: "storing" }, deps.now());
  }

  await writeMultipart(
    bucket,
    key,
    tap(zstdCompress(wholeDump()), (chunk) => stored.update(chunk)),
    {
      contentType: "application/zstd",
      onUpload: async (uploadId) => {
        await enterUpload(catalog, {
          key,
          manifestKey: manifestKey(name),
          uploadId,
          runId: run.id,
          database: run.database,
        });
      },
    },
  );

  const { version, userVersion, unknown } = await described;
  const { tables, schemaHash, migration, warnings } = facts!;
  return {
    format: 1,
    nightjar: VERSION,
    id: name.id,
    database: run.database,
    tier: run.tier,
    name: run.name,
    labels: run.labels,
    runId: run.id,
    trigger: run.trigger,
    scheduledFor: run.scheduledFor === null ? null : new Date(run.scheduledFor).toISOString(),
    takenAt: new Date(takenAt).toISOString(),
    finishedAt: new Date(deps.now()).toISOString(),
    manifestKey: manifestKey(name),
    key,
    kind: "dump",
    raw: { bytes: raw.bytes, sha256: raw.digest() },
    stored: { bytes: stored.bytes, sha256: stored.digest() },
    source: { url: database.url, namespace: database.namespace ?? null, version, unknown },
    schema: { hash: schemaHash, userVersion, migration },
    tables,
    rows: tables.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
    warnings,
  };
}

/** Writes the bytes so far to the run, every now and then. Progress is not worth failing a backup for. */
function reportProgress({ catalog, deps }: Context, runId: string, raw: Meter, stored: Meter) {
  let last = deps.now();
  return async (): Promise<void> => {
    const now = deps.now();
    if (now - last < PROGRESS_EVERY) return;
    last = now;
    const bytes = { rawBytes: raw.bytes, storedBytes: stored.bytes };
    await updateRun(catalog, runId, bytes, now).catch((error: unknown) =>
      log.error("progress-not-recorded", error, { run: runId }),
    );
  };
}
