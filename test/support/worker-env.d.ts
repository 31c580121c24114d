import type { D1Migration } from "cloudflare:test";
import type { Env as WorkerEnv } from "../../src/worker/env.ts";

/** The bindings of vitest.config.ts, which `env` of "cloudflare:workers" has in tests. */
declare global {
  namespace Cloudflare {
    interface Env extends WorkerEnv {
      COPY_BUCKET: R2Bucket;
      TEST_MIGRATIONS: D1Migration[];
    }
  }
}
