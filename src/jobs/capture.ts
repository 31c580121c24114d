import { enterUpload } from "../catalog/uploads.ts";
import { type Run, updateRun } from "../catalog/runs.ts";
import type { RunState } from "../catalog/schema.ts";
import type { DatabaseConfig } from "../config.ts";
import type { Context } from "../context.ts";
import { randomId } from "../deps.ts";
import { asNightjarError, NightjarError } from "../errors.ts";
import { zstdCompress } from "../format/codec.ts";
import { type DumpFacts, DumpInspector } from "../format/dump-inspector.ts";
import { Meter, tap } from "../format/hash.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { describeSource } from "../source/describe.ts";
import { readDump } from "../source/dump.ts";
import { redact, type Source } from "../source/server.ts";
import { type BackupName, dumpKey, manifestKey } from "../store/keys.ts";
import { writeMultipart } from "../store/multipart.ts";
import { VERSION } from "../version.ts";

/**
 * How often a run's progress is written to the catalog: every 2 s, and ever more seldom the longer it
 * takes, as D1 allows 1,000 queries to one invocation.
 */
const progressInterval = (elapsed: number): number => Math.max(2000, elapsed / 50);

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
  const source: Source = { ...database, token: context.config.token(database) };
  try {
    return await capture(context, run, database, source);
  } catch (thrown) {
    // Whatever the server said may repeat the token that it was sent.
    const { code, message, hint } = asNightjarError(thrown);
    throw new NightjarError(code, redact(message, source), { hint, cause: thrown });
  }
}

async function capture(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
): Promise<Manifest> {
  const { deps, bucket, catalog } = context;
  const takenAt = deps.now();
  const name: BackupName = { tier: run.tier, database: run.database, takenAt, id: randomId(deps) };
  const key = dumpKey(name);

  const described = describeSource(source, deps);
  const raw = new Meter();
  const stored = new Meter();
  const inspector = new DumpInspector();
  let facts: DumpFacts | undefined;
  const progress = reportProgress(context, run, raw, stored);

  async function* wholeDump(): AsyncIterable<Uint8Array> {
    for await (const chunk of readDump(source, deps)) {
      inspector.push(chunk);
      raw.update(chunk);
      yield chunk;
      await progress();
    }
    facts = inspector.end();
    await progress("storing");
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

/**
 * Writes the bytes so far to the run, every now and then and whenever its state changes. Progress is
 * not worth failing a backup for.
 */
function reportProgress({ catalog, deps }: Context, run: Run, raw: Meter, stored: Meter) {
  const begun = deps.now();
  let last = begun;
  return async (state?: RunState): Promise<void> => {
    const now = deps.now();
    if (state === undefined && now - last < progressInterval(now - begun)) return;
    last = now;
    const change = { rawBytes: raw.bytes, storedBytes: stored.bytes, ...(state && { state }) };
    await updateRun(catalog, run.id, change, now, run.attempt).catch((error: unknown) =>
      log.error("progress-not-recorded", error, { run: run.id }),
    );
  };
}
