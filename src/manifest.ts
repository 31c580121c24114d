import type { TableCount, Warning } from "./format/dump-inspector.ts";
import type { Tier } from "./plan/tier.ts";

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
  trigger: string;
  /** The scheduled moment, for runs of the cron. */
  scheduledFor: string | null;
  /** When the capture began; the dump shows the database as it was then or a moment later. */
  takenAt: string;
  finishedAt: string;
  manifestKey: string;
  key: string;
  kind: "dump";
  /** The dump's SQL text. */
  raw: { bytes: number; sha256: string };
  /** What lies in the bucket: the text as one zstd frame. */
  stored: { bytes: number; sha256: string };
  source: {
    url: string;
    namespace: string | null;
    /** The server's version line. */
    version: string | null;
    /** What could not be asked of the server, and why. */
    unknown: string[];
  };
  schema: {
    /** SHA-256 of the dump's schema statements. */
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
