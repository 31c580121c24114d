import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/** Each file needs a process of its own: it starts the whole product, or has V8 count what runs. */
const ALONE = ["test/node/product/**/*.test.ts", "test/node/format/linear-work.test.ts"];

/** The command line and wrangler start many times: they keep what Node has compiled. */
const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, "node_modules/.cache/node"),
};

export default defineConfig({
  test: {
    // Tests wait for servers now and then: as many files at once as there are processors, two at least.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    silent: "passed-only",
    reporters: ["default", "./test/support/closing-line.ts"],
    projects: [
      {
        // Pure code and the command line, in Node.
        test: {
          name: "node",
          include: ["test/node/**/*.test.ts"],
          exclude: ALONE,
          // A process for each file would load the same modules again: set-up-node.ts resets what files share.
          isolate: false,
          setupFiles: "./test/support/set-up-node.ts",
          env: COMPILE_CACHE,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // The whole product from outside, in Node.
        test: {
          name: "alone",
          include: ALONE,
          globalSetup: "./test/support/migrated.ts",
          env: COMPILE_CACHE,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Code that talks to R2, D1 and a libSQL server, inside of workerd.
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              r2Buckets: ["COPY_BUCKET"],
              bindings: {
                TEST_MIGRATIONS: await readD1Migrations("./migrations"),
                ADMIN_TOKEN: "test-admin-token-of-24-characters",
                SIGNING_KEY: "test-signing-key-of-24-characters",
              },
            },
          })),
        ],
        test: {
          name: "worker",
          // A workerd of its own for each file would cost more than most files need: set-up.ts empties it.
          isolate: false,
          include: ["test/worker/**/*.test.ts"],
          globalSetup: "./test/support/servers.ts",
          setupFiles: "./test/support/set-up.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
