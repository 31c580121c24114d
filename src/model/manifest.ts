import type { Encoding } from "../format/pages/database-header.ts";
import type { TableCount, Warning } from "../format/dump/inspector.ts";
import type { Tier } from "../plan/tier.ts";

/** The trigger of a run. */
export type Trigger = "cron" | "api" | "deploy";

/** The method of reading a server's data. */
export interface Method {
  protocol: "pull-updates" | "sync" | "replica" | "dbpage" | "rows" | "dump";
  /** True if whole databases are read through `sqlite_dbpage`. */
  image: boolean;
  /** The reason for the method, for people. */
  why: string;
}

/**
 * The place in a server's history where a pull of pages ended; the next one starts there. Plain JSON:
 * it is kept beside the pages that led to it.
 */
export type PageCursor = ReplicaCursor | UpdatesCursor | SyncCursor | ImageCursor;

/** A place in the replication log of sqld. */
export interface ReplicaCursor {
  protocol: "replica";
  /** Changes when the server lost its log: the numbers start again then. */
  logId: string;
  /**
   * The session of the server's process, hashed: a restarted server may have another history under the
   * same id. Null if the server names none; cursors of older versions lack it.
   */
  session?: string | null;
  /** The last frame that was read; -1 for none. */
  frame: number;
  /** Its rolling checksum, 16 hexadecimal digits; null if it is not known. */
  checksum: string | null;
  /**
   * The pages read so far include some of frames up to this one: only a commit at or after it is a
   * consistent state.
   */
  atLeast: number;
}

/** A revision of a database, as a server of Turso's new engine names it. */
export interface UpdatesCursor {
  protocol: "pull-updates";
  /** Opaque. */
  revision: string;
  pageCount: number;
  /** Some pages as they are there, ascending: the server must still show them for the next pull to go on. */
  marks: readonly PageMark[];
  /** All pages, by groups, if the revision is a number, which may come again; older cursors lack it. */
  sums?: PageSums;
}

/** Hashes of the pages of a database, a group of them at a time. */
export interface PageSums {
  /** Pages of a group, the last one excepted. */
  every: number;
  /** Of each group, 16 hexadecimal digits of the SHA-256 of its pages. */
  hashes: readonly string[];
}

/** A page and the hash of its bytes. */
export interface PageMark {
  pgno: number;
  /** The first half of its SHA-256, in hexadecimal. */
  hash: string;
}

/** A place in Turso Cloud's sync protocol. */
export interface SyncCursor {
  protocol: "sync";
  generation: number;
  /** The last frame that was read; 0 for the generation's start. */
  frame: number;
  /**
   * The hash of that frame, or of the generation's first pages: it must still be the same for the next
   * pull to continue. Cursors of older versions lack it.
   */
  mark?: string;
}

/** A whole image: the server has no log to continue from. */
export interface ImageCursor {
  protocol: "dbpage";
}

/** The facts that only the manifest of a snapshot has. */
export interface SnapshotFacts {
  /** The method of reading the pages, and the reason for it. */
  method: Method;
  pageSize: number;
  pageCount: number;
  /** The point in time that the snapshot represents: its last commit, if the server reports it. */
  committedAt: string;
  /** The place in the page log that it was made from; null if it was read whole. */
  log: { lineage: string; txid: number } | null;
  /** The place in the source's history after a snapshot that was read whole. */
  cursor: PageCursor | null;
  /** The journal mode of the source; the stored file is always in the rollback modes. */
  journal: "wal" | "rollback";
  /** Encoding of its text, if that is not UTF-8; older manifests lack it. */
  encoding?: Encoding;
  /** Pages that were read again from the server and compared; older manifests lack it. */
  spotCheck?: SpotCheck;
}

/** A comparison of stored pages with the server's, once more, at the state that was stored. */
export interface SpotCheck {
  /** Number of pages that were the same. */
  pages: number;
  /** Why none were compared; null if some were. */
  why: string | null;
}

/**
 * The encryption of a backup's bytes: to public keys. Nightjar itself cannot read them, except in
 * drills for which an identity is configured.
 */
export interface Encryption {
  /** https://age-encryption.org/v1 */
  format: "age";
  /** The public keys; the identity of any one of them opens it. */
  recipients: string[];
  /** The content that is encrypted: the compressed bytes. */
  content: { bytes: number; sha256: string };
}

/** The reason for copying a backup to where no lifecycle rule deletes it. */
export interface Pin {
  /** `policy` if the retention policy keeps it past its age, `user` if somebody asked for it. */
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
  /**
   * The number of attempts until the run succeeded, and the times at which it was asked for and first
   * begun.
   */
  run: { attempt: number; queuedAt: string; startedAt: string };
  /** The scheduled moment, for runs of the cron. */
  scheduledFor: string | null;
  /** Time at which the capture began; a dump shows the database as it was then or a moment later. */
  takenAt: string;
  finishedAt: string;
  manifestKey: string;
  key: string;
  /** Set only in the manifest of a pinned copy, whose keys are those of the copy. */
  pin?: Pin;
  kind: "dump" | "snapshot";
  /** The dump's SQL text, or the database file. */
  raw: { bytes: number; sha256: string };
  /** The stored bytes: the text as one zstd frame, or the file as many frames with a seek table. */
  stored: { bytes: number; sha256: string };
  /** Set only if the backup is encrypted: the form of `stored` then. */
  encryption?: Encryption;
  source: {
    url: string;
    namespace: string | null;
    /** The server's version line. */
    version: string | null;
    /** Facts that the server could not be asked for, and the reasons. */
    unknown: string[];
  };
  /** Null for a dump. */
  snapshot: SnapshotFacts | null;
  /** Set only for a dump that Nightjar wrote itself, of rows: the method of reading them. */
  method?: Method;
  schema: {
    /** SHA-256 of the schema's statements: of the dump's, or of the snapshot's `sqlite_schema`. */
    hash: string;
    userVersion: number | null;
    /** The newest row of a migrations table of a known kind: drizzle, prisma, knex, rails. */
    migration: { table: string; name: string } | null;
  };
  tables: TableCount[];
  /** Rows in all tables. */
  rows: number;
  /** Warnings that a reader must know before restoring it. */
  warnings: Warning[];
}

/**
 * Return true if SQL that leaves Nightjar is written anew from the stored dump: the warnings name what
 * SQLite or a shell would otherwise misread.
 */
export function isWrittenAnew({ kind, warnings }: Pick<Manifest, "kind"> & Warned): boolean {
  return kind === "dump" && warnings.length > 0;
}

interface Warned {
  readonly warnings: readonly object[];
}
