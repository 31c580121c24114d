import type { Follower } from "./index.ts";
import type { Act } from "./proof.ts";

/** What a proof of its own is to do. */
export interface ProofParams {
  backupId: string;
  act: Act;
}

/**
 * What Cloudflare gives the Worker. Only `index.ts` sees it; everything else gets a `Context`.
 * Source tokens are further string members, named by the configuration.
 */
export interface Env {
  DB: D1Database;
  BUCKET: R2Bucket;
  BACKUP: Workflow<{ runId: string }>;
  PROOF: Workflow<ProofParams>;
  FOLLOWER: DurableObjectNamespace<Follower>;
  ADMIN_TOKEN?: string;
  SIGNING_KEY?: string;
  DATABASES?: unknown;
}
