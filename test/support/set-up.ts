import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";

/** Every file of tests in workerd begins with the tables of the catalog, and no test shows its log. */
const { DB, TEST_MIGRATIONS } = env;
await applyD1Migrations(DB, TEST_MIGRATIONS);

for (const level of ["info", "warn", "error"] as const)
  vi.spyOn(console, level).mockImplementation(() => {});
