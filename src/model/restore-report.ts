import type { Manifest } from "./manifest.ts";
import type { LossWindow } from "../plan/loss.ts";

/** Nightjar's reports of a restore into a server: before it, during it, and afterwards. */

/** The backup or moment that is restored. */
export interface SubjectView {
  readonly database: string;
  /** The backup's id; null for a moment. */
  readonly backup: string | null;
  /** Place in the page log; null for a dump, and for a snapshot that was read whole. */
  readonly log: { readonly lineage: string; readonly txid: number } | null;
  readonly kind: Manifest["kind"] | "moment";
  /** Time of the last commit in it; ISO 8601. */
  readonly asOf: string;
  /** Time at which the backup was taken, which may be later than its last commit; null for a moment. */
  readonly takenAt: string | null;
  /** Bytes of the database file or of the SQL text. */
  readonly bytes: number;
}

/** A table that a restore would bring back; rows are null if they were not counted. */
export interface PlannedTable {
  readonly name: string;
  readonly rows: number | null;
  readonly virtual: boolean;
}

/** The way of writing to a server: its pages, or SQL. */
export type Way = "pages" | "statements";

/** The plan of a restore. */
export interface Plan {
  readonly subject: SubjectView;
  readonly target: {
    readonly url: string;
    readonly namespace: string | null;
    readonly database: string | null;
    readonly state: "empty" | "incomplete" | "in use";
  };
  readonly way: Way;
  /** The reason for this way. */
  readonly why: string;
  readonly only: "schema" | "data" | null;
  /** True if masks are written in place of values. */
  readonly sanitized: boolean;
  /** Rules of tables and columns that it does not have; null if nothing is masked. */
  readonly unusedRules: readonly string[] | null;
  readonly tables: readonly PlannedTable[];
  /** The contents of the target that are dropped, or emptied, first. */
  readonly drops: readonly string[];
  /** True if the target is backed up first. */
  readonly saves: boolean;
  readonly loss: LossWindow;
  /** Notes that a reader must know. */
  readonly notes: readonly string[];
}

/** The progress of a restore. */
export type RestoreProgress =
  /** The target is being backed up, before it is overwritten. */
  | { readonly state: "saving"; readonly bytes: number }
  /** Other work takes all the memory of the Worker. */
  | { readonly state: "waiting" }
  | { readonly state: "wiping"; readonly objects: number }
  | { readonly state: "writing"; readonly bytes: number }
  | { readonly state: "writing"; readonly pages: number; readonly of: number }
  | { readonly state: "verifying"; readonly table: string; readonly rows: number };

/** The extent of a comparison. */
export interface Verified {
  readonly tables: number;
  readonly rows: number;
  /** True if every value was compared, by hash; the rows of a dump can only be counted. */
  readonly hashed: boolean;
}

/** The result of a restore. */
export interface Restored {
  readonly restore: string;
  readonly subject: SubjectView;
  readonly target: Omit<Plan["target"], "state">;
  readonly way: Way;
  readonly sanitized: boolean;
  readonly tables: number;
  /** The backup of what the target held before; null if it was empty. */
  readonly saved: string | null;
  readonly verified: Verified | null;
  readonly seconds: number;
  readonly notes: readonly string[];
}
