import type { Catalog } from "./catalog/open.ts";
import type { Config } from "./config.ts";
import type { Deps } from "./deps.ts";

/** The Workflow that makes backups, as the jobs use it: one instance a run, named by the run's id. */
export interface BackupWorkflows {
  create(runId: string): Promise<void>;
  /** `missing` when no instance has this id. */
  status(runId: string): Promise<InstanceStatus["status"] | "missing">;
}

/** Everything that a job or a route works with. Made once per request from the Worker's bindings. */
export interface Context {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly bucket: R2Bucket;
  readonly workflows: BackupWorkflows;
  readonly deps: Deps;
}
