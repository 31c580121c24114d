import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { loadShop } from "../../scripts/lib/sample-shop.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { createClient } from "@libsql/client/http";
import { startFaultProxy } from "./fault-proxy.ts";
import { FIDELITY, LIBSQL_ONLY } from "./fidelity.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A real libSQL server with the sample shop. */
    shop: string;
    /** The same server behind a proxy that spoils its dumps: see fault-proxy.ts. */
    faults: string;
    /** A libSQL server with everything that is hard to carry over: see fidelity.ts. */
    fidelity: string;
    /** An empty libSQL server, for the one test that fills it. */
    empty: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-test-"));
  const [sqld, fidelity, empty] = await Promise.all([
    startSqld(join(dir, "shop")),
    startSqld(join(dir, "fidelity")),
    startSqld(join(dir, "empty")),
  ]);
  await loadShop(sqld.url);
  await loadFidelity(fidelity.url);
  const proxy = await startFaultProxy(sqld.url);
  project.provide("shop", sqld.url);
  project.provide("faults", proxy.url);
  project.provide("fidelity", fidelity.url);
  project.provide("empty", empty.url);
  return async () => {
    await proxy.stop();
    for (const server of [sqld, fidelity, empty]) await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
}

async function loadFidelity(url: string): Promise<void> {
  const client = createClient({ url });
  for (const sql of [...FIDELITY, ...LIBSQL_ONLY]) await client.executeMultiple(sql);
  client.close();
}
