import type { Manifest } from "./manifest.ts";
import type { LossWindow } from "../plan/loss.ts";

/** What Nightjar tells of a restore into a server: before it, meanwhile, and afterwards. */

/** What is restored. */
export interface SubjectView {
  readonly database: string;
  /** The backup's id; null for a moment. */
  readonly backup: string | null;
  /** Place in the page log; null for a dump, and for a snapshot that was read whole. */
  readonly log: { readonly lineage: string; readonly txid: number } | null;
  readonly kind: Manifest["kind"] | "moment";
  /** The last commit that is in it; ISO 8601. */
  readonly asOf: string;
  /** When the backup was taken, which may be later than its last commit; null for a moment. */
  readonly takenAt: string | null;
  /** Bytes of the database file or of the SQL text. */
  readonly bytes: number;
}

/** A table that a restore would bring back; rows are null where nobody has counted them. */
export interface PlannedTable {
  readonly name: string;
  readonly rows: number | null;
  readonly virtual: boolean;
}

/** How a server is written to: its pages, or SQL. */
export type Way = "pages" | "statements";

/** What a restore is going to do. */
export interface Plan {
  readonly subject: SubjectView;
  readonly target: {
    readonly url: string;
    readonly namespace: string | null;
    readonly database: string | null;
    readonly state: "empty" | "incomplete" | "in use";
  };
  readonly way: Way;
  /** Why this way. */
  readonly why: string;
  readonly only: "schema" | "data" | null;
  readonly tables: readonly PlannedTable[];
  /** What is dropped, or emptied, in the target before. */
  readonly drops: readonly string[];
  /** Whether the target is backed up before. */
  readonly saves: boolean;
  readonly loss: LossWindow;
  /** What a reader must know. */
  readonly notes: readonly string[];
}

/** How far a restore has come. */
export type RestoreProgress =
  /** The target is backed up, before it is overwritten. */
  | { readonly state: "saving"; readonly bytes: number }
  /** The Worker is at work on as much as its memory holds. */
  | { readonly state: "waiting" }
  | { readonly state: "wiping"; readonly objects: number }
  | { readonly state: "writing"; readonly bytes: number }
  | { readonly state: "writing"; readonly pages: number; readonly of: number }
  | { readonly state: "verifying"; readonly table: string; readonly rows: number };

/** What was compared. */
export interface Verified {
  readonly tables: number;
  readonly rows: number;
  /** Whether every value was compared, by hash; of a dump the rows can only be counted. */
  readonly hashed: boolean;
}

/** What a restore has done. */
export interface Restored {
  readonly restore: string;
  readonly subject: SubjectView;
  readonly target: Omit<Plan["target"], "state">;
  readonly way: Way;
  readonly tables: number;
  /** The backup of what the target held before; null if it was empty. */
  readonly saved: string | null;
  readonly verified: Verified | null;
  readonly seconds: number;
  readonly notes: readonly string[];
}
