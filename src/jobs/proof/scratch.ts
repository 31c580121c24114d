import type { Context } from "../../worker/context.ts";
import { NightjarError } from "../../errors/errors.ts";
import { decrypt } from "../../format/age/age.ts";
import { gather } from "../../format/bytes/bytes.ts";
import { zstdDecompress } from "../../format/bytes/codec.ts";
import { verified } from "../../format/bytes/hash.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { decodeSeekable } from "../../format/bytes/seekable.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Image } from "../../sqlite/engine/image.ts";
import { openImage, replayDump } from "../../sqlite/engine/open.ts";
import { BlockCache } from "../../store/block-cache.ts";
import { ReadCounter } from "../../store/read-counter.ts";
import { PART_BYTES } from "../../store/multipart.ts";
import { readInSpans } from "../../store/range-reader.ts";
import { openSnapshot, readSnapshotFile } from "../../store/snapshot-reader.ts";
import { IN_MEMORY, REPLAYABLE } from "../../worker/memory.ts";

/** A backup as a database that SQLite can query. */
export interface Scratch {
  image: Image;
  /** The pragma that checks its soundness. */
  pragma: "integrity_check" | "quick_check";
  /** A description of how it was restored, for people. */
  detail: string;
}

/** Frames in a block that is read from the bucket (2 MiB), and bytes of blocks that are held. */
const FRAMES = 8;
const CACHE = 16 * 1024 * 1024;
/** Most R2 reads of one drill: an invocation of a Worker has 10,000 subrequests in all. */
const MOST_READS = 6000;

/**
 * Restore a backup in scratch space: a small snapshot in memory, a large one in place in the bucket, a
 * dump by replaying it.
 *
 * @throws NightjarError `DRILL_IMPOSSIBLE` for what is too large here or needs libSQL; `TURSO_ONLY`;
 *   `BACKUP_ENCRYPTED` and `IDENTITY_UNFIT` for what cannot be decrypted here; `DRILL_FAILED` for a
 *   dump that SQLite refuses; `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function restoreInScratch(context: Context, manifest: Manifest): Promise<Scratch> {
  const { bucket } = context;
  const { kind, key, raw, stored, snapshot, encryption } = manifest;
  const identity = encryption === undefined ? undefined : await identityFor(context, manifest);
  if (kind === "dump") {
    if (raw.bytes > REPLAYABLE)
      throw new NightjarError(
        "DRILL_IMPOSSIBLE",
        `The dump has ${raw.bytes} bytes of SQL; a Worker can replay ${REPLAYABLE} at the most.`,
      );
    const bytes = readInSpans(bucket, key, stored.bytes, PART_BYTES);
    const compressed = identity === undefined ? bytes : decrypt(bytes, [identity]);
    const image = await replayDump(verified(zstdDecompress(compressed), raw, key));
    const detail = `${raw.bytes} bytes of SQL were replayed in memory`;
    return { image, pragma: "integrity_check", detail };
  }
  if (encryption !== undefined) {
    const { content } = encryption;
    if (raw.bytes + content.bytes > IN_MEMORY)
      throw new NightjarError(
        "DRILL_IMPOSSIBLE",
        `The encrypted snapshot has ${raw.bytes} bytes, and ${content.bytes} compressed; a Worker can hold ${IN_MEMORY} of both.`,
      );
    const bytes = readInSpans(bucket, key, stored.bytes, PART_BYTES);
    const compressed = await gather(decrypt(bytes, [identity!]));
    const file = verified(decodeSeekable(compressed, raw.bytes), raw, key);
    const image = await openImage(await holdFile(file, raw.bytes, snapshot!.pageSize));
    const detail = `${raw.bytes} bytes were decrypted and restored into memory`;
    return { image, pragma: "integrity_check", detail };
  }
  if (raw.bytes <= IN_MEMORY) {
    const file = verified(readSnapshotFile(bucket, manifest), raw, key);
    const image = await openImage(await holdFile(file, raw.bytes, snapshot!.pageSize));
    const detail = `${raw.bytes} bytes were restored into memory`;
    return { image, pragma: "integrity_check", detail };
  }
  const pages = await openSnapshot(
    new ReadCounter(bucket, MOST_READS),
    manifest,
    new BlockCache(CACHE),
    FRAMES,
  );
  return {
    image: await openImage(pages),
    // integrity_check looks up every row in every index: over a bucket that is too many reads.
    pragma: "quick_check",
    detail: `${raw.bytes} bytes were opened where they lie, as a Worker's memory does not hold them`,
  };
}

/**
 * Return the identity that is configured for the drills of an encrypted backup.
 *
 * @throws NightjarError `BACKUP_ENCRYPTED` if there is none
 */
async function identityFor({ config, fleet }: Context, { database }: Manifest): Promise<string> {
  const configured = await fleet.settings(database);
  const identity = configured && config.identity(configured);
  if (identity !== undefined) return identity;
  throw new NightjarError(
    "BACKUP_ENCRYPTED",
    "It is encrypted, and no identity is configured for its drills.",
    {
      hint: "Rehearse the restore on a machine that has an identity, as docs/encryption.md shows.",
    },
  );
}

/** Hold a database file of `bytes` bytes in memory. */
async function holdFile(
  file: AsyncIterable<Uint8Array>,
  bytes: number,
  pageSize: number,
): Promise<PageReader> {
  const whole = new Uint8Array(bytes);
  let filled = 0;
  for await (const chunk of file) {
    whole.set(chunk, filled);
    filled += chunk.length;
  }
  return {
    pageSize,
    pageCount: bytes / pageSize,
    usePage: (pgno, use) => use(whole.subarray((pgno - 1) * pageSize, pgno * pageSize)),
  };
}
