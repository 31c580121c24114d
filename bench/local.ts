import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrateLocally, startWorker } from "../scripts/lib/local-worker.ts";
import { freePort } from "../scripts/lib/server-process.ts";
import { startSqld } from "../scripts/lib/sqld.ts";
import { apiClient, bodyOf, type Client } from "../src/cli/client.ts";
import { workerdsOf } from "./measure.ts";

export interface Local {
  sqldUrl: string;
  client: Client;
  /** The port of the Worker's inspector. */
  inspectorPort: number;
  /** Process ids of the Worker's workerds. */
  workerds: number[];
  /** Make a backup and wait for it. @throws Error when it fails */
  backup(
    this: void,
    db: string,
  ): Promise<{ rawBytes: number; storedBytes: number; captureMs: number }>;
  /** Register a clean-up to run before the folder is deleted. */
  onEnd(this: void, stop: () => Promise<void>): void;
}

/** Measure the time until a run's backup is stored, ms; the proofs come later. */
export async function captureMs(
  client: Client,
  { backupId, createdAt }: { backupId: string | null; createdAt: string },
): Promise<number> {
  const { finishedAt } = await bodyOf(client.v1.backups[":id"].$get({ param: { id: backupId! } }));
  return Date.parse(finishedAt) - Date.parse(createdAt);
}

/**
 * Run a measurement on a fresh sqld and a fresh Worker. `databases` builds the configuration from sqld's
 * address.
 */
export async function withLocalNightjar<T>(
  databases: (sqldUrl: string, local: Pick<Local, "onEnd">) => Promise<Record<string, object>>,
  measure: (local: Local) => Promise<T>,
  v8Options?: string,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-bench-"));
  const stops: (() => Promise<void>)[] = [];
  const onEnd = (stop: () => Promise<void>) => void stops.push(stop);
  try {
    const sqld = await startSqld(join(dir, "sqld"));
    onEnd(() => sqld.stop());
    const persistTo = join(dir, "cloudflare");
    await migrateLocally(persistTo);
    const vars = {
      DATABASES: JSON.stringify(await databases(sqld.url, { onEnd })),
      ADMIN_TOKEN: "bench-admin-token-of-24-characters",
      SIGNING_KEY: "bench-signing-key-of-24-characters",
    };
    const [port, inspectorPort] = [await freePort(), await freePort()];
    const worker = await startWorker({
      port,
      persistTo,
      vars,
      inspectorPort,
      ...(v8Options !== undefined && { v8Options }),
    });
    onEnd(() => worker.stop());
    const client = apiClient({ url: worker.url, token: "bench-admin-token-of-24-characters" });
    const backup = async (db: string) => {
      const json = { tier: "manual", labels: {}, wait: true } as const;
      const run = await bodyOf(client.v1.databases[":db"].backups.$post({ param: { db }, json }));
      if (run.state !== "done") throw new Error(`${run.state}: ${run.error?.message}`);
      return { ...run, captureMs: await captureMs(client, run) };
    };
    return await measure({
      sqldUrl: sqld.url,
      client,
      inspectorPort,
      workerds: workerdsOf(worker.pid, port),
      backup,
      onEnd,
    });
  } finally {
    for (const stop of stops.toReversed()) await stop();
    await rm(dir, { recursive: true, force: true });
  }
}
