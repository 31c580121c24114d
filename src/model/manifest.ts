import type { Encoding } from "../format/pages/database-header.ts";
import type { TableCount, Warning } from "../format/dump/inspector.ts";
import type { Tier } from "../plan/tier.ts";

/** What started a run. */
export type Trigger = "cron" | "api" | "deploy";

/** How a server's data is read. */
export interface Method {
  protocol: "sync" | "replica" | "dbpage" | "dump";
  /** Whether whole databases are read through `sqlite_dbpage`. */
  image: boolean;
  /** What was found out on the way, for people. */
  why: string;
}

/**
 * Where in a server's history a pull of pages ended; the next one starts there. Plain JSON: it is
 * kept beside the pages that led to it.
 */
export type PageCursor = ReplicaCursor | SyncCursor | ImageCursor;

/** A place in the replication log of sqld. */
export interface ReplicaCursor {
  protocol: "replica";
  /** Changes when the server lost its log: then the numbers start again. */
  logId: string;
  /**
   * The session of the server's process, hashed: a restarted server may have another history under the
   * same id. Null where the server names none; cursors of older versions lack it.
   */
  session?: string | null;
  /** The last frame that was read; -1 for none. */
  frame: number;
  /** Its rolling checksum, 16 hexadecimal digits, where it is known. */
  checksum: string | null;
  /**
   * What was read so far mixes in pages of frames up to this one: only a commit at or after it is
   * a consistent state.
   */
  atLeast: number;
}

/** A place in Turso Cloud's sync protocol. */
export interface SyncCursor {
  protocol: "sync";
  generation: number;
  /** The last frame that was read; 0 for the generation's start. */
  frame: number;
  /**
   * What must still be there to go on: the hash of that frame, or of the generation's first pages. Cursors
   * of older versions lack it.
   */
  mark?: string;
}

/** A whole image: the server has no log to go on from. */
export interface ImageCursor {
  protocol: "dbpage";
}

/** What the manifest of a snapshot says beyond that of a dump. */
export interface SnapshotFacts {
  /** How the pages were read, and why so. */
  method: Method;
  pageSize: number;
  pageCount: number;
  /** The point in time that the snapshot represents: its last commit, if the server reports it. */
  committedAt: string;
  /** The place in the page log that it was made from; null when it was read whole. */
  log: { lineage: string; txid: number } | null;
  /** Where the source's history goes on from a snapshot that was read whole. */
  cursor: PageCursor | null;
  /** The journal mode of the source; the stored file is always in the rollback modes. */
  journal: "wal" | "rollback";
  /** How its text is encoded, where that is not UTF-8; older manifests do not tell it. */
  encoding?: Encoding;
}

/** How a backup's bytes are encrypted: to public keys, so that Nightjar itself cannot read them. */
export interface Encryption {
  /** https://age-encryption.org/v1 */
  format: "age";
  /** The public keys, one of whose identities opens it. */
  recipients: string[];
  /** What is encrypted: the compressed bytes. */
  content: { bytes: number; sha256: string };
}

/** Why a backup is copied to where no lifecycle rule takes it. */
export interface Pin {
  /** Whether the retention policy keeps it past its age, or somebody asked for it. */
  by: "policy" | "user";
  reason: string;
  at: string;
}

/**
 * The JSON beside a backup, written once and last; without it the backup does not exist.
 * Moments are ISO 8601 in UTC, hashes SHA-256 in hexadecimal. Described in docs/format.md.
 */
export interface Manifest {
  /** Version of this format. */
  format: 1;
  /** Version of the Nightjar that wrote it. */
  nightjar: string;
  id: string;
  database: string;
  tier: Tier;
  name: string | null;
  labels: Record<string, string>;
  runId: string;
  trigger: Trigger;
  /** How the run came to it: attempts until it succeeded, when it was asked for and first begun. */
  run: { attempt: number; queuedAt: string; startedAt: string };
  /** The scheduled moment, for runs of the cron. */
  scheduledFor: string | null;
  /** When the capture began; a dump shows the database as it was then or a moment later. */
  takenAt: string;
  finishedAt: string;
  manifestKey: string;
  key: string;
  /** In the manifest of a pinned copy only, whose keys are those of the copy. */
  pin?: Pin;
  kind: "dump" | "snapshot";
  /** The dump's SQL text, or the database file. */
  raw: { bytes: number; sha256: string };
  /** What lies in the bucket: the text as one zstd frame, or the file as many with a seek table. */
  stored: { bytes: number; sha256: string };
  /** Of encrypted backups only: what `stored` is then. */
  encryption?: Encryption;
  source: {
    url: string;
    namespace: string | null;
    /** The server's version line. */
    version: string | null;
    /** What could not be asked of the server, and why. */
    unknown: string[];
  };
  /** Of snapshots only. */
  snapshot: SnapshotFacts | null;
  schema: {
    /** SHA-256 of the schema's statements: of the dump's, or of the snapshot's `sqlite_schema`. */
    hash: string;
    userVersion: number | null;
    /** The newest row of a migrations table that is known: drizzle, prisma, knex, rails. */
    migration: { table: string; name: string } | null;
  };
  tables: TableCount[];
  /** Rows in all tables. */
  rows: number;
  /** What a reader must know before restoring it. */
  warnings: Warning[];
}

/**
 * Whether what leaves Nightjar as SQL is written anew from the stored dump: its warnings tell what SQLite or
 * a shell would read otherwise.
 */
export function isWrittenAnew({ kind, warnings }: Pick<Manifest, "kind"> & Warned): boolean {
  return kind === "dump" && warnings.length > 0;
}

interface Warned {
  readonly warnings: readonly object[];
}
