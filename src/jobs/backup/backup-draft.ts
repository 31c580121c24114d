import { type Run, updateRun } from "../../catalog/runs.ts";
import type { RunState } from "../../model/run-state.ts";
import { enterUpload } from "../../catalog/uploads.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { encrypt } from "../../format/age/age.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import { countRows } from "../../format/tables/rows.ts";
import { log } from "../../core/log.ts";
import type { Encryption, Manifest } from "../../model/manifest.ts";
import { manifestText } from "../../store/document.ts";
import { type BackupName, bytesKey, manifestKey } from "../../store/keys.ts";
import { writeMultipart } from "../../store/multipart.ts";
import { removeObjects } from "../../store/remove.ts";
import { VERSION } from "../../core/version.ts";
import { iso } from "../../core/iso.ts";

/** Most bytes of a manifest: it is the result of a Workflow's step, which may have 1 MiB, and a row of D1. */
const MOST_MANIFEST = 900_000;

/**
 * Return the interval at which a run's progress is written to the catalog, ms: 2 s, and longer the
 * longer the run takes, as D1 allows 1,000 queries to one invocation.
 */
const progressInterval = (elapsed: number): number => Math.max(2000, elapsed / 50);

/** The results of a capture; the rest of the manifest is known from the run. */
type Findings = Pick<Manifest, "snapshot" | "method" | "schema" | "tables" | "warnings"> & {
  raw: Meter;
  stored: Meter;
  version: string | null;
  unknown: string[];
};

/** A backup while it is being made: its key, its progress, and finally its manifest. */
export class BackupDraft {
  readonly #context: Context;
  readonly #run: Run;
  readonly #database: DatabaseConfig;
  readonly #kind: Manifest["kind"];
  readonly #name: BackupName;
  /** Time at which reading began (ms): rows erased from then on may be in the backup. */
  readonly takenAt: number;
  /** Meter over the compressed bytes before encryption; undefined if the backup is not encrypted. */
  readonly #content: Meter | undefined;

  constructor(
    context: Context,
    run: Run,
    database: DatabaseConfig,
    kind: Manifest["kind"],
    takenAt: number,
  ) {
    this.#context = context;
    this.#run = run;
    this.#database = database;
    this.#kind = kind;
    this.takenAt = takenAt;
    this.#content = database.recipients.length > 0 ? new Meter() : undefined;
    const id = randomId(context.deps);
    this.#name = { tier: run.tier, database: run.database, takenAt: this.takenAt, id };
  }

  get key(): string {
    return bytesKey(this.#name, this.#kind, this.encrypted);
  }

  /** True if the stored bytes are encrypted, so that the capture cannot read them back. */
  get encrypted(): boolean {
    return this.#content !== undefined;
  }

  /** Return the bytes to store: the compressed ones, encrypted if the configuration says so. */
  sealed(compressed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    const content = this.#content;
    if (content === undefined) return compressed;
    return encrypt(
      tap(compressed, (chunk) => content.update(chunk)),
      this.#database.recipients,
    );
  }

  /**
   * Store the bytes. The upload is entered in the catalog before its first part.
   *
   * @throws NightjarError as `writeMultipart`, and whatever `bytes` throws
   */
  async write(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const { bucket, catalog } = this.#context;
    const { id: runId, database } = this.#run;
    const { key } = this;
    await writeMultipart(bucket, key, bytes, {
      contentType: this.encrypted ? "application/octet-stream" : "application/zstd",
      onUpload: async (uploadId) => {
        const upload = { key, manifestKey: manifestKey(this.#name), uploadId, runId, database };
        await enterUpload(catalog, upload);
      },
    });
  }

  /**
   * Return a function that writes the bytes so far to the run, at intervals and whenever the state
   * changes. A failure to write them is logged and does not fail the backup.
   */
  progress(raw: Meter, stored: Meter): (state?: RunState) => Promise<void> {
    const { catalog, deps } = this.#context;
    const { id, attempt } = this.#run;
    const begun = deps.now();
    let last = begun;
    return async (state) => {
      const now = deps.now();
      if (state === undefined && now - last < progressInterval(now - begun)) return;
      last = now;
      const change = { rawBytes: raw.bytes, storedBytes: stored.bytes, ...(state && { state }) };
      await updateRun(catalog, id, change, now, attempt).catch((error: unknown) =>
        log.error("progress-not-recorded", error, { run: id }),
      );
    };
  }

  /**
   * Return the whole manifest and end the meters.
   *
   * @throws NightjarError `SCHEMA_TOO_LARGE` if it lists too many tables; the bytes are removed then
   */
  async manifest(findings: Findings): Promise<Manifest> {
    const manifest = this.#manifestOf(findings);
    const bytes = encode(manifestText(manifest)).length;
    if (bytes <= MOST_MANIFEST) return manifest;
    await removeObjects(this.#context.bucket, [this.key]).catch(() => {}); // else the next run removes it
    throw new NightjarError(
      "SCHEMA_TOO_LARGE",
      `${manifest.database} has ${manifest.tables.length} tables, whose names and counts take ${bytes} bytes; a manifest has ${MOST_MANIFEST} at the most.`,
    );
  }

  #manifestOf({ raw, stored, version, unknown, tables, ...found }: Findings): Manifest {
    const { id: runId, database, tier, name, labels, trigger, scheduledFor } = this.#run;
    const { attempt, createdAt, startedAt } = this.#run;
    const { url, namespace } = this.#database;
    return {
      format: 1,
      nightjar: VERSION,
      id: this.#name.id,
      database,
      tier,
      name,
      labels,
      runId,
      trigger,
      run: { attempt, queuedAt: iso(createdAt), startedAt: iso(startedAt ?? this.takenAt) },
      scheduledFor: scheduledFor === null ? null : iso(scheduledFor),
      takenAt: iso(this.takenAt),
      finishedAt: iso(this.#context.deps.now()),
      manifestKey: manifestKey(this.#name),
      key: this.key,
      kind: this.#kind,
      raw: { bytes: raw.bytes, sha256: raw.digest() },
      stored: { bytes: stored.bytes, sha256: stored.digest() },
      ...(this.#content !== undefined && { encryption: this.#encryption(this.#content) }),
      source: { url, namespace: namespace ?? null, version, unknown },
      tables,
      rows: countRows(tables),
      ...found,
    };
  }

  #encryption(content: Meter): Encryption {
    const recipients = [...this.#database.recipients];
    return {
      format: "age",
      recipients,
      content: { bytes: content.bytes, sha256: content.digest() },
    };
  }
}
