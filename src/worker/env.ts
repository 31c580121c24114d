import type { Follower } from "../index.ts";
import type { Act } from "../model/proof.ts";

/** Parameters of a proof apart from a run. */
export interface ProofParams {
  backupId: string;
  act: Act;
}

/** Parameters of a second copy apart from a run. */
export interface CopyParams {
  backupId: string;
}

/** Parameters of a refresh. */
export interface RefreshParams {
  refreshId: string;
}

/**
 * The Worker's bindings. Only `index.ts` and this room see them; everything else gets a `Context`.
 * Source tokens and the keys of the second copy are further string members, named by the configuration.
 */
export interface Env {
  DB: D1Database;
  BUCKET: R2Bucket;
  BACKUP: Workflow<{ runId: string }>;
  PROOF: Workflow<ProofParams>;
  SECOND_COPY: Workflow<CopyParams>;
  /** Not bound by a wrangler.toml of before there were refreshes. */
  REFRESH?: Workflow<RefreshParams>;
  FOLLOWER: DurableObjectNamespace<Follower>;
  /** Counts wrong tokens and links by address. */
  ATTEMPTS?: RateLimit;
  /** Sends alerts by email, where a channel does. */
  EMAIL?: SendEmail;
  ADMIN_TOKEN?: string;
  SIGNING_KEY?: string;
  /** The signing key of before: links and badges that it signed still work. */
  SIGNING_KEY_PREVIOUS?: string;
  /** Signing keys of before, with white space between them. */
  FORMER_SIGNING_KEYS?: string;
  DATABASES?: unknown;
  /** The organization of Turso whose databases are found. */
  TURSO?: unknown;
  COPY?: unknown;
  /** Who may sign in on the page by Cloudflare Access. */
  ACCESS?: unknown;
  /** Where alerts are sent to. */
  ALERTS?: unknown;
  /** The address that is told every minute that Nightjar is alive. */
  HEARTBEAT?: string;
  /** Opens `/metrics` and nothing else. */
  METRICS_TOKEN?: string;
  /** The second bucket, where `COPY` says so. */
  COPY_BUCKET?: R2Bucket;
}
