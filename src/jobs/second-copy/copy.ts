import { type Backup, existingBackup } from "../../catalog/backups.ts";
import { recordCopy, recordUncopied } from "../../catalog/copies.ts";
import type { Context } from "../../worker/context.ts";
import type { CopyState } from "../../model/copy.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { Meter, verified } from "../../format/bytes/hash.ts";
import { log } from "../../core/log.ts";
import type { Manifest } from "../../model/manifest.ts";
import { isKnownBad } from "../../model/proof.ts";
import { manifestText } from "../../store/document.ts";
import type { SecondStore } from "../../store/second/second-store.ts";
import { manifestKey, ownKey } from "../../store/keys.ts";
import { uploadParts } from "../../store/multipart.ts";
import { readInSpans } from "../../store/range-reader.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/**
 * Bytes read at once. With parts of 5 MiB a backup of `n` MiB takes `n * 31 / 80` requests: the 10,000
 * of a Worker are enough for 27 GB. Three spans and two parts are held at once.
 */
const SPAN = 8 * 1024 * 1024;
const READ_SPAN = 2 * SPAN;

/**
 * Copy a backup to the second store and read it back from there: the bytes, then the manifest, so that
 * the copy exists whole or not at all. Objects that are there already are only read back, and never
 * overwritten. May be repeated; an upload that a killed copy has left is aborted.
 *
 * @throws NightjarError `BACKUP_NOT_FOUND`; `COPY_UNAVAILABLE` if it is not to be copied; the error
 *   that made the copy fail, which the catalog then records
 */
export async function copyBackup(context: Context, backupId: string): Promise<CopyState> {
  const { catalog, deps } = context;
  const backup = await existingBackup(catalog, backupId);
  const secondStore = await secondFor(context, backup);
  const attempt = new Attempt(context, secondStore, backup);
  const known = { to: secondStore.to, at: new Date(deps.now()).toISOString() };
  try {
    await inTurn(context, COSTS.copy, () => attempt.copy());
  } catch (thrown) {
    const error = asNightjarError(thrown);
    const { uploadId } = attempt;
    const failed = { ...known, state: "failed", error: error.report(), uploadId } as const;
    log.error("backup-not-copied", error, { backup: backupId, to: secondStore.to });
    const record = error.code === "COPY_DIFFERS" ? recordCopy : recordUncopied;
    await record(catalog, backupId, failed).catch((other: unknown) =>
      log.error("copy-not-recorded", other, { backup: backupId }),
    );
    throw error;
  }
  const copied = { ...known, state: "copied", error: null, uploadId: null } as const;
  await recordCopy(catalog, backupId, copied);
  log.info("backup-copied", { backup: backupId, database: backup.database, to: secondStore.to });
  return copied;
}

/** Return the store that a backup is copied to. @throws NightjarError `COPY_UNAVAILABLE` */
async function secondFor({ fleet, secondStore }: Context, backup: Backup): Promise<SecondStore> {
  const { id, database } = backup;
  const refuse = (why: string) => new NightjarError("COPY_UNAVAILABLE", why);
  if (secondStore === undefined) throw refuse("No second copy is configured.");
  if ((await fleet.settings(database))?.copy === false)
    throw refuse(`${database} has copy = false: its backups are not copied.`);
  if (isKnownBad(backup)) throw refuse(`Backup ${id} is known to be bad: it is not copied.`);
  return secondStore;
}

/**
 * Return the manifest of a copy. It has the backup's own keys, even if the backup was pinned since: the
 * second store has its own retention.
 */
function copiedManifest(backup: Backup): Manifest {
  const { pin: _pin, ...manifest } = backup.manifest;
  return { ...manifest, key: ownKey(manifest.key), manifestKey: manifestKey(backup) };
}

/** One try to copy one backup. */
class Attempt {
  /** The upload that has not ended yet. */
  uploadId: string | null;
  readonly #context: Context;
  readonly #secondStore: SecondStore;
  readonly #backup: Backup;
  readonly #manifest: Manifest;

  constructor(context: Context, secondStore: SecondStore, backup: Backup) {
    this.#context = context;
    this.#secondStore = secondStore;
    this.#backup = backup;
    this.#manifest = copiedManifest(backup);
    this.uploadId = backup.copy?.to === secondStore.to ? backup.copy.uploadId : null;
  }

  async copy(): Promise<void> {
    const { key, stored } = this.#manifest;
    await this.#abort();
    const size = await this.#secondStore.size(key);
    if (size === null) await this.#upload();
    else if (size !== stored.bytes) throw differs(key, `has ${size} bytes, not ${stored.bytes}`);
    await this.#readBack();
    await this.#publish();
  }

  async #upload(): Promise<void> {
    const { catalog, bucket, deps } = this.#context;
    const { id, manifest } = this.#backup;
    const { key, stored } = this.#manifest;
    this.uploadId = await this.#secondStore.startUpload(key);
    try {
      const at = new Date(deps.now()).toISOString();
      const { uploadId } = this;
      const copying = {
        state: "copying",
        at,
        to: this.#secondStore.to,
        error: null,
        uploadId,
      } as const;
      await recordCopy(catalog, id, copying);
      const bytes = readInSpans(bucket, manifest.key, stored.bytes, SPAN);
      const upload = this.#secondStore.upload(key, uploadId);
      const { parts } = await uploadParts(upload, verified(bytes, stored, manifest.key));
      await upload.complete(parts);
      this.uploadId = null;
    } catch (thrown) {
      await this.#abort().catch((other: unknown) =>
        // The next try aborts it: the catalog knows the upload.
        log.error("copy-upload-left-over", other, { key, to: this.#secondStore.to }),
      );
      throw thrown;
    }
  }

  async #abort(): Promise<void> {
    if (this.uploadId === null) return;
    await this.#secondStore.upload(this.#manifest.key, this.uploadId).abort();
    this.uploadId = null;
  }

  async #readBack(): Promise<void> {
    const { key, stored } = this.#manifest;
    const meter = new Meter();
    for (let at = 0; at < stored.bytes; at += READ_SPAN)
      meter.update(await this.#secondStore.read(key, at, Math.min(READ_SPAN, stored.bytes - at)));
    const size = await this.#secondStore.size(key);
    if (size !== stored.bytes) throw differs(key, `has ${size} bytes, not ${stored.bytes}`);
    const sha256 = meter.digest();
    if (sha256 !== stored.sha256)
      throw differs(
        key,
        `has the SHA-256 ${sha256.slice(0, 16)}…, not ${stored.sha256.slice(0, 16)}…`,
      );
  }

  /** Write the manifest, unless it is there, and read it back. */
  async #publish(): Promise<void> {
    const { manifestKey: at } = this.#manifest;
    const text = manifestText(this.#manifest);
    if ((await this.#secondStore.readText(at)) === null)
      await this.#secondStore.writeText(at, text, this.#context.bucket.noteOf(at, text));
    if ((await this.#secondStore.readText(at)) !== text) throw differs(at, "is not the manifest");
  }
}

function differs(key: string, how: string): NightjarError {
  return new NightjarError("COPY_DIFFERS", `The second copy of ${key} ${how}.`);
}
