import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { migrateLocally } from "../../scripts/lib/local-worker.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A folder with the state of a local Cloudflare: a catalog with its tables, and nothing else. */
    migrated: string;
  }
}

/** Make the tables of the catalog once: wrangler takes seconds for it, and every product begins with them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-migrated-"));
  await migrateLocally(dir);
  project.provide("migrated", dir);
  return () => rm(dir, { recursive: true, force: true });
}
