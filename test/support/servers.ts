import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client/http";
import type { TestProject } from "vitest/node";
import { loadShop } from "../../scripts/lib/sample-shop.ts";
import { freePort, type ServerProcess } from "../../scripts/lib/server-process.ts";
import { startSqld } from "../../scripts/lib/sqld.ts";
import { startBombServer } from "./bomb-server.ts";
import { type SecondServer, startSecondServer } from "./second-server.ts";
import { startFaultProxy } from "./fault-proxy.ts";
import { FIDELITY, LIBSQL_ONLY } from "./fidelity.ts";
import { startMortalSqld } from "./mortal-sqld.ts";
import { SMALL_SHOP } from "./small-shop.ts";
import { startPlatformStandIn } from "./platform-stand-in.ts";
import { makeSourceToken, makeTokenKey } from "./source-token.ts";
import { startSyncStandIn } from "./sync-stand-in.ts";
import { startTursoServers } from "./turso-servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Number of repetitions of a random trial, from the environment variable TRIALS. */
    trials: number | null;
    /** Databases of a simulated fleet, from the environment variable FLEET. */
    fleet: number;
    /** True if the environment variable ALL is set: tests then try every case instead of a part. */
    all: boolean;
    /** A real libSQL server with the sample shop. */
    shop: string;
    /** A real libSQL server with a few pages, for tests that make many backups: see small-shop.ts. */
    small: string;
    /** The same server behind a proxy that spoils its dumps: see fault-proxy.ts. */
    faults: string;
    /** A server with endless answers: see bomb-server.ts. */
    bombs: string;
    /** A real libSQL server where each test creates its own databases (namespaces). */
    pages: { url: string; adminUrl: string };
    /** The same, but it compacts its log at every megabyte. */
    shortLog: { url: string; adminUrl: string };
    /** A real libSQL server that requires a token, a token that may write, and one that may not. */
    guarded: { url: string; token: string; readOnly: string };
    /** A real libSQL server that dies on request: see mortal-sqld.ts. */
    mortal: { url: string; control: string };
    /** Another one, whose data folder is put back; it compacts its log at every megabyte. */
    rolledBack: { url: string; control: string };
    /** The same once more, for another file of tests. */
    restarted: { url: string; control: string };
    /** Number of random histories that a test runs (TRIALS, or a few), and the first seed (SEED). */
    histories: { count: number; seed: number };
    /** Objects as Nightjar 0.1 wrote them, by key: bytes in base64, and R2's metadata. */
    golden: Record<string, { base64: string; customMetadata: Record<string, string> }>;
    /** A real libSQL server with everything that is hard to carry over: see fidelity.ts. */
    fidelity: string;
    /** Databases of Turso's own engine, in base64: see test/golden/turso-0.6.0. */
    turso: { mvcc: string; encrypted: string };
    /** An empty libSQL server, for the one test that fills it. */
    empty: string;
    /** A bucket behind an S3 endpoint that checks signatures. */
    s3: Pick<SecondServer, "endpoint" | "keys">;
    /** A stand-in for Turso Cloud's sync service: see sync-stand-in.ts. */
    sync: string;
    /**
     * A stand-in for Turso's platform API, without organizations: see platform-stand-in.ts. The server
     * `guarded` takes its tokens.
     */
    platform: string;
    /** The control server of real servers of Turso's engine: see turso-servers.ts. */
    tursodb: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-test-"));
  const key = makeTokenKey();
  const { pem, token: readOnly, writing: token } = makeSourceToken(key);
  const keyFile = join(dir, "source-key.pem");
  await writeFile(keyFile, pem);
  const [
    shop,
    small,
    fidelity,
    empty,
    pages,
    shortLog,
    guarded,
    mortal,
    rolledBack,
    restarted,
    s3,
  ] = await Promise.all([
    startSqld(join(dir, "shop")),
    startSqld(join(dir, "small")),
    startSqld(join(dir, "fidelity")),
    startSqld(join(dir, "empty")),
    startWithNamespaces(join(dir, "pages")),
    startWithNamespaces(join(dir, "short-log"), "--max-log-size", "1"),
    startSqld(join(dir, "guarded"), ["--auth-jwt-key-file", keyFile]),
    startMortalSqld(join(dir, "mortal")),
    startMortalSqld(join(dir, "rolled-back"), ["--max-log-size", "1"]),
    startMortalSqld(join(dir, "restarted"), ["--max-log-size", "1"]),
    startSecondServer(await mkdtemp(join(dir, "s3-"))),
  ]);
  await loadShop(shop.url);
  await load(small.url, [SMALL_SHOP]);
  await load(fidelity.url, [...FIDELITY, ...LIBSQL_ONLY]);
  const faults = await startFaultProxy(shop.url);
  const bombs = await startBombServer();
  const turso = await startTursoServers(await mkdtemp(join(dir, "turso-")));
  const platform = await startPlatformStandIn({ key });
  const sync = await startSyncStandIn(await mkdtemp(join(dir, "sync-")));
  project.provide("trials", process.env["TRIALS"] ? Number(process.env["TRIALS"]) : null);
  project.provide("fleet", Number(process.env["FLEET"] ?? 500));
  project.provide("all", process.env["ALL"] !== undefined);
  project.provide("shop", shop.url);
  project.provide("small", small.url);
  project.provide("faults", faults.url);
  project.provide("bombs", bombs.url);
  project.provide("pages", { url: pages.url, adminUrl: pages.adminUrl });
  project.provide("shortLog", { url: shortLog.url, adminUrl: shortLog.adminUrl });
  project.provide("guarded", { url: guarded.url, token, readOnly });
  project.provide("mortal", { url: mortal.url, control: mortal.control });
  project.provide("rolledBack", { url: rolledBack.url, control: rolledBack.control });
  project.provide("restarted", { url: restarted.url, control: restarted.control });
  const { TRIALS = 3, SEED = 22_000 } = process.env;
  project.provide("histories", { count: Number(TRIALS), seed: Number(SEED) });
  project.provide("fidelity", fidelity.url);
  project.provide("empty", empty.url);
  project.provide("sync", sync.url);
  project.provide("platform", platform.url);
  project.provide("tursodb", turso.control);
  project.provide("s3", { endpoint: s3.endpoint, keys: s3.keys });
  project.provide("golden", await readGolden());
  const files = join(import.meta.dirname, "../golden/turso-0.6.0");
  project.provide("turso", {
    mvcc: await readFile(join(files, "mvcc.db"), "base64"),
    encrypted: await readFile(join(files, "encrypted.db"), "base64"),
  });
  return async () => {
    const servers = [
      faults,
      bombs,
      sync,
      platform,
      turso,
      s3,
      shop,
      small,
      fidelity,
      empty,
      pages,
      shortLog,
      guarded,
      mortal,
      rolledBack,
      restarted,
    ];
    for (const server of servers) await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
}

/** Read the bucket in test/golden/format-1. */
async function readGolden() {
  const folder = join(import.meta.dirname, "../golden/format-1");
  const index = JSON.parse(await readFile(join(folder, "index.json"), "utf8")) as Record<
    string,
    { file: string; customMetadata: Record<string, string> }
  >;
  const objects: Record<string, { base64: string; customMetadata: Record<string, string> }> = {};
  for (const [key, { file, customMetadata }] of Object.entries(index))
    objects[key] = { base64: await readFile(join(folder, file), "base64"), customMetadata };
  return objects;
}

async function startWithNamespaces(
  dir: string,
  ...args: string[]
): Promise<ServerProcess & { adminUrl: string }> {
  const admin = `127.0.0.1:${await freePort()}`;
  const server = await startSqld(dir, [
    "--enable-namespaces",
    // With more namespaces than this, it rejects some of them now and then: see fetch-from.ts.
    ...["--max-active-namespaces", "100000"],
    ...["--admin-listen-addr", admin],
    ...args,
  ]);
  return { ...server, adminUrl: `http://${admin}` };
}

async function load(url: string, statements: readonly string[]): Promise<void> {
  const client = createClient({ url });
  for (const sql of statements) await client.executeMultiple(sql);
  client.close();
}
