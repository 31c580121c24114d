import { PRICES } from "./prices.ts";

/** What was measured of a database in the last 30 days, and what is stored of it now. Sizes in bytes. */
export interface Measured {
  /** Bytes of backups by tier, without pinned copies. */
  readonly storedByTier: Readonly<Record<string, number>>;
  readonly pinnedBytes: number;
  readonly logBytes: number;
  readonly backups: number;
  readonly backupRawBytes: number;
  readonly backupStoredBytes: number;
  readonly runs: number;
  readonly segments: number;
  readonly segmentBytes: number;
  /** Pulls of the page log, new or not. */
  readonly pulls: number;
  /** Rows that were read for dumps. */
  readonly dumpRows: number;
  /** True if the source is Turso's: a self-hosted one bills nothing. */
  readonly turso: boolean;
}

/** What a database costs in a month, US dollars. */
export interface Cost {
  readonly storage: Readonly<Record<string, number>>;
  /** Writes (class A) and reads (class B) of R2. */
  readonly operations: number;
  readonly compute: number;
  readonly source: number;
  readonly total: number;
}

const GB = 1e9;
const PART = 5 * 1024 * 1024;

/** Beginning and completing a multipart upload, the manifest and two proofs. */
const WRITES_OF_BACKUP = 5;
/** A segment is a multipart upload of its own; an hour's and a day's compaction write it twice again. */
const WRITES_OF_SEGMENT = 4;
/** Reads of a backup by a verify, a drill, and what precedes them: by ranges of some 8 MiB. */
const READ_RANGE = 8 * 1024 * 1024;
const READS_OF_BACKUP = 20;
const PASSES = 2;

/**
 * CPU per raw byte of a capture by pages with its verify and drill, ms: 4.8 s for 268 MB were measured in the
 * capture alone (docs/limits.md), and reading it twice takes about as much.
 */
const CPU_PER_BYTE = (2 * 4800) / 268e6;
/** CPU of a run, of a pull, and of a minute's look at one database, ms. */
const CPU_OF_RUN = 300;
const CPU_OF_PULL = 15;
const LOOKS = 30 * 24 * 60;
const CPU_OF_LOOK = 0.5;

/** Estimate what a database costs in a month that is like the last 30 days. */
export function estimateCost(measured: Measured): Cost {
  const { r2, workers, turso } = PRICES;
  const months = (bytes: number) => (bytes / GB) * r2.gbMonth;
  const storage: Record<string, number> = {};
  for (const [tier, bytes] of Object.entries(measured.storedByTier)) storage[tier] = months(bytes);
  if (measured.pinnedBytes > 0) storage["pinned"] = months(measured.pinnedBytes);
  if (measured.logBytes > 0) storage["log"] = months(measured.logBytes);

  const { backups, backupRawBytes, backupStoredBytes, runs, segments, segmentBytes } = measured;
  const writes =
    backups * WRITES_OF_BACKUP +
    backupStoredBytes / PART +
    segments * WRITES_OF_SEGMENT +
    segmentBytes / PART;
  const reads = backups * READS_OF_BACKUP + (PASSES * backupStoredBytes) / READ_RANGE;
  const operations = writes * r2.classA + reads * r2.classB;

  const cpuMs =
    backupRawBytes * CPU_PER_BYTE +
    runs * CPU_OF_RUN +
    measured.pulls * CPU_OF_PULL +
    LOOKS * CPU_OF_LOOK;
  const compute = cpuMs * workers.cpuMs + (runs + measured.pulls) * workers.request;

  const source = measured.turso
    ? measured.dumpRows * turso.rowRead + (segmentBytes / GB) * turso.syncedGb
    : 0;
  const total =
    Object.values(storage).reduce((sum, cost) => sum + cost, 0) + operations + compute + source;
  return { storage, operations, compute, source, total };
}
