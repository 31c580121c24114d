import type { Catalog } from "../catalog/open.ts";
import type { Config } from "../config/load.ts";
import type { Deps } from "../core/deps.ts";
import type { MemoryBudget } from "../core/memory-budget.ts";
import type { Caller } from "../model/actor.ts";
import type { Act } from "../model/proof.ts";
import type { SecondStore } from "../store/second/second-store.ts";
import type { GuardedBucket } from "../store/guarded-bucket.ts";
import type { Attempts } from "./attempts.ts";
import type { DatabaseConfig } from "../config/database.ts";
import type { Source } from "../libsql/server.ts";
import type { Fleet } from "./fleet.ts";
import type { Platform } from "../platform/platform.ts";

/** The Workflow that makes backups, as the jobs use it: one instance a run, named by the run's id. */
export interface BackupWorkflows {
  create(runId: string): Promise<void>;
  /** `missing` when no instance has this id. */
  status(runId: string): Promise<InstanceStatus["status"] | "missing">;
}

/** The Workflow that proves backups apart from the runs that made them. */
export interface ProofWorkflows {
  /** Start a proof, unless the same was started for the same moment (ms) before. */
  start(backupId: string, act: Act, moment: number): Promise<void>;
}

/** The Workflow that makes second copies apart from the runs that made the backups. */
export interface CopyWorkflows {
  /** Start a copy, unless the same was started for the same moment (ms) before. */
  start(backupId: string, moment: number): Promise<void>;
}

/** The Workflow that restores backups into the databases that `refresh` names. */
export interface RefreshWorkflows {
  /** Start a refresh, unless it was started before. */
  start(refreshId: string): Promise<void>;
  /** `missing` when no instance has this id. */
  status(refreshId: string): Promise<InstanceStatus["status"] | "missing">;
}

/** The position of a database's page log. */
export interface LogPosition {
  lineage: string;
  txid: number;
}

/** The one writer of each database's page log. */
export interface Followers {
  /**
   * Pull what is new into the log. Null where there is no log yet and reading the whole image is faster:
   * then `seed` begins the log from it.
   *
   * @throws NightjarError
   */
  pull(database: string): Promise<LogPosition | null>;
  /**
   * Begin the log of a backup's database with that backup, unless it has one.
   *
   * @throws NightjarError
   */
  seed(database: string, backupId: string): Promise<void>;
  /** See to it that the database is followed from now on, at the pace that is configured. */
  follow(database: string): Promise<void>;
}

/** An email in plain text. */
export interface Email {
  readonly from: string;
  readonly to: string[];
  readonly subject: string;
  readonly text: string;
}

/** Everything that a job or a route works with. Made once per request from the Worker's bindings. */
export interface Context {
  readonly config: Config;
  readonly catalog: Catalog;
  /** The databases under protection. */
  readonly fleet: Fleet;
  /**
   * Return a database's server, with a token for it.
   *
   * @throws NightjarError `DATABASE_MISCONFIGURED`; if Turso gives no token: `PLATFORM_UNAUTHORIZED`,
   *   `PLATFORM_UNREACHABLE`, `PLATFORM_INVALID`
   */
  sourceOf(this: void, database: DatabaseConfig): Promise<Source>;
  readonly bucket: GuardedBucket;
  readonly workflows: BackupWorkflows;
  readonly proofs: ProofWorkflows;
  readonly copies: CopyWorkflows;
  readonly refreshes: RefreshWorkflows;
  /** The second store; undefined if none is configured. */
  readonly secondStore: SecondStore | undefined;
  readonly followers: Followers;
  /** Turso's platform API; undefined where `TURSO` is not configured. */
  readonly platform: Platform | undefined;
  readonly deps: Deps;
  /** The memory that all work in the isolate shares. */
  readonly memory: MemoryBudget;
  readonly attempts: Attempts;
  /** Who has signed in on the page, where a page asks the API on their behalf; undefined otherwise. */
  readonly signedIn?: Caller;
  /** Sends email; undefined if there is no binding EMAIL. */
  readonly email: { send(email: Email): Promise<unknown> } | undefined;
  /** Keep the invocation alive until the work is done, after its response too. The work never rejects. */
  keepAlive(work: Promise<void>): void;
}
