import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";

/**
 * Files of tests share a workerd: each begins with empty buckets and the tables of the catalog, and no test
 * shows its log.
 */
const { DB, TEST_MIGRATIONS } = env;
await reset();
await applyD1Migrations(DB, TEST_MIGRATIONS);

for (const level of ["info", "warn", "error"] as const)
  vi.spyOn(console, level).mockImplementation(() => {});
