import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/lib/paths.ts";
import type { LtxHeader } from "../../src/format/ltx/header.ts";

export type Row = Record<string, string | number | null>;

/** The reason why stock Litestream cannot run here; undefined if it can. */
export const NO_LITESTREAM =
  process.platform === "linux" && process.arch === "x64"
    ? undefined
    : `litestream-vfs is installed for linux-x64 only, not for ${process.platform}-${process.arch}`;

/** The level at which Litestream keeps full snapshots. */
export const SNAPSHOT_LEVEL = 9;

/**
 * Put an LTX file where Litestream's file replica looks for it. A replica in a folder takes a file's time
 * from the file system (replicas in S3 take it from metadata), never from the header.
 */
export async function putSegment(
  folder: string,
  level: number,
  { minTxid, maxTxid, timestamp }: LtxHeader,
  bytes: Uint8Array,
): Promise<void> {
  const name = [minTxid, maxTxid].map((txid) => txid.toString(16).padStart(16, "0")).join("-");
  const path = join(folder, "ltx", String(level), `${name}.ltx`);
  await mkdir(join(folder, "ltx", String(level)), { recursive: true });
  await writeFile(path, bytes);
  await utimes(path, timestamp / 1000, timestamp / 1000);
}

/**
 * Run each statement on a replica with stock Litestream. It first reads the newest state as a whole, which
 * makes Litestream verify the checksum of every file. With `at`, it reads the state after everything
 * committed at or before that moment, page by page through the files' indexes.
 */
export async function readWithLitestream(
  folder: string,
  sql: readonly string[],
  options: { at?: Date } = {},
): Promise<Row[][]> {
  // Litestream includes only what is older than the moment it is given.
  const at = options.at === undefined ? null : new Date(options.at.getTime() + 1).toISOString();
  const scratch = await mkdtemp(join(tmpdir(), "nightjar-litestream-"));
  const result = join(scratch, "rows.json");
  try {
    await promisify(execFile)(
      process.execPath,
      [
        join(ROOT, "test/support/litestream-child.ts"),
        join(ROOT, "node_modules/litestream-vfs-linux-amd64/litestream-vfs.so"),
        JSON.stringify({ sql, at, result }),
      ],
      {
        timeout: 60_000,
        env: {
          ...process.env,
          TMPDIR: scratch,
          LITESTREAM_REPLICA_URL: `file://${folder}`,
          LITESTREAM_HYDRATION_ENABLED: String(at === null),
          LITESTREAM_LOG_LEVEL: at === null ? "DEBUG" : "INFO",
          LITESTREAM_LOG_FILE: join(scratch, "log"),
        },
      },
    );
    return JSON.parse(await readFile(result, "utf8")) as Row[][];
  } finally {
    await rm(scratch, { recursive: true });
  }
}
