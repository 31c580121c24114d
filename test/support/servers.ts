import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client/http";
import type { TestProject } from "vitest/node";
import { loadShop } from "../../scripts/lib/sample-shop.ts";
import { freePort } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { FIDELITY, LIBSQL_ONLY } from "./fidelity.ts";
import { startSyncStandIn } from "./sync-stand-in.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A real libSQL server with the sample shop. */
    shop: string;
    /** The same server behind a proxy that spoils its dumps: see fault-proxy.ts. */
    faults: string;
    /** A real libSQL server where each test makes databases (namespaces) of its own. */
    pages: { url: string; adminUrl: string };
    /** A real libSQL server with everything that is hard to carry over: see fidelity.ts. */
    fidelity: string;
    /** An empty libSQL server, for the one test that fills it. */
    empty: string;
    /** A stand-in for Turso Cloud's sync service: see sync-stand-in.ts. */
    sync: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-test-"));
  const adminPort = await freePort();
  const namespaces = ["--enable-namespaces", "--admin-listen-addr", `127.0.0.1:${adminPort}`];
  const [shop, fidelity, empty, pages] = await Promise.all([
    startSqld(join(dir, "shop")),
    startSqld(join(dir, "fidelity")),
    startSqld(join(dir, "empty")),
    startSqld(join(dir, "pages"), namespaces),
  ]);
  await loadShop(shop.url);
  await loadFidelity(fidelity.url);
  const faults = await startFaultProxy(shop.url);
  const sync = await startSyncStandIn(await mkdtemp(join(dir, "sync-")));
  project.provide("shop", shop.url);
  project.provide("faults", faults.url);
  project.provide("pages", { url: pages.url, adminUrl: `http://127.0.0.1:${adminPort}` });
  project.provide("fidelity", fidelity.url);
  project.provide("empty", empty.url);
  project.provide("sync", sync.url);
  return async () => {
    for (const server of [faults, sync, shop, fidelity, empty, pages]) await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
}

async function loadFidelity(url: string): Promise<void> {
  const client = createClient({ url });
  for (const sql of [...FIDELITY, ...LIBSQL_ONLY]) await client.executeMultiple(sql);
  client.close();
}
