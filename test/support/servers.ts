import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { loadShop } from "../../scripts/lib/sample-shop.ts";
import { freePort } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { startSyncStandIn } from "./sync-stand-in.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A real libSQL server where each test makes databases (namespaces) of its own. */
    pages: { url: string; adminUrl: string };
    /** A real libSQL server with the sample shop. */
    shop: string;
    /** The same server behind a proxy that spoils its dumps: see fault-proxy.ts. */
    faults: string;
    /** A stand-in for Turso Cloud's sync service: see sync-stand-in.ts. */
    sync: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-test-"));
  const sqld = await startSqld(join(dir, "shop"));
  await loadShop(sqld.url);
  const proxy = await startFaultProxy(sqld.url);
  const adminPort = await freePort();
  const pages = await startSqld(join(dir, "pages"), [
    "--enable-namespaces",
    "--admin-listen-addr",
    `127.0.0.1:${adminPort}`,
  ]);
  project.provide("pages", { url: pages.url, adminUrl: `http://127.0.0.1:${adminPort}` });
  project.provide("shop", sqld.url);
  const sync = await startSyncStandIn(await mkdtemp(join(dir, "sync-")));
  project.provide("faults", proxy.url);
  project.provide("sync", sync.url);
  return async () => {
    await sync.stop();
    await proxy.stop();
    await pages.stop();
    await sqld.stop();
    await rm(dir, { recursive: true, force: true });
  };
}
