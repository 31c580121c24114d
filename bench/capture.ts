import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiClient, bodyOf } from "../src/cli/client.ts";
import { migrateLocally, startWorker } from "../scripts/lib/local-worker.ts";
import { freePort } from "../scripts/lib/server-process.ts";
import { startSqld } from "../scripts/lib/sqld.ts";
import { loadOrders } from "./load.ts";
import { captureMs } from "./local.ts";
import { cpuSeconds, has, memory, resetPeak, shell, workerdsOf } from "./measure.ts";

export interface Line {
  what: string;
  seconds: number;
  mbPerSecond: number;
  /** Wall time divided by that of `curl /dump` in the same run. */
  ratio: number;
  /** Nightjar's line includes the proofs. */
  cpuSeconds: number;
  /** For Nightjar's line: workerd's highest resident memory, and its growth since the start. */
  peakMb?: number;
  grewMb?: number;
  storedMb?: number;
}

/**
 * Run once with one server and one database: curl alone, curl with compressors, and Nightjar's capture until
 * it is stored.
 */
export async function benchCapture(mb: number): Promise<Line[]> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-bench-"));
  const stops: (() => Promise<void>)[] = [];
  try {
    const sqld = await startSqld(join(dir, "sqld"));
    stops.push(() => sqld.stop());
    console.error(`loading about ${mb} MB …`);
    await loadOrders(sqld.url, mb);

    const persistTo = join(dir, "cloudflare");
    await migrateLocally(persistTo);
    const vars = {
      DATABASES: JSON.stringify({ bench: { url: sqld.url, capture: "dump" } }),
      ADMIN_TOKEN: "bench-admin-token-of-24-characters",
      SIGNING_KEY: "bench-signing-key-of-24-characters",
    };
    const port = await freePort();
    const worker = await startWorker({ port, persistTo, vars });
    stops.push(() => worker.stop());
    const workerds = workerdsOf(worker.pid, port);
    const client = apiClient({ url: worker.url, token: "bench-admin-token-of-24-characters" });
    const capture = async () => {
      const run = await bodyOf(
        client.v1.databases[":db"].backups.$post({
          param: { db: "bench" },
          json: { tier: "manual", labels: {}, wait: true },
        }),
      );
      if (run.state !== "done") throw new Error(`${run.state}: ${run.error?.message}`);
      return run;
    };

    const dump = `curl -sSf -H 'accept-encoding: identity' '${sqld.url}/dump`;
    await shell(`${dump}' > /dev/null`); // warm the server's caches for every measurement

    const lines: Line[] = [];
    const measure = async (what: string, command: string) => {
      console.error(`${what} …`);
      const cost = await shell(command);
      lines.push({ what, ...cost, mbPerSecond: 0, ratio: 0 });
    };
    await measure("curl /dump", `${dump}' > /dev/null`);
    await measure("curl /dump, rowids kept", `${dump}?preserve_row_ids=true' > /dev/null`);
    await measure("curl | gzip -6", `${dump}' | gzip -6 > /dev/null`);
    if (has("zstd")) await measure("curl | zstd -1", `${dump}' | zstd -1 -q > /dev/null`);

    let rawBytes = 0;
    const backup = async (what: string) => {
      console.error(`${what} …`);
      resetPeak(workerds);
      const cpu = cpuSeconds(workerds);
      const rss = memory(workerds, "VmRSS");
      const run = await capture();
      rawBytes = run.rawBytes;
      lines.push({
        what,
        seconds: (await captureMs(client, run)) / 1000,
        cpuSeconds: cpuSeconds(workerds) - cpu,
        mbPerSecond: 0,
        ratio: 0,
        peakMb: memory(workerds, "VmHWM") / 1e6,
        grewMb: (memory(workerds, "VmHWM") - rss) / 1e6,
        storedMb: run.storedBytes / 1e6,
      });
    };
    await backup("nightjar, capture");
    await backup("the same again, warm");
    const base = lines[0]!.seconds;
    return lines.map((line) => ({
      ...line,
      mbPerSecond: rawBytes / 1e6 / line.seconds,
      ratio: line.seconds / base,
    }));
  } finally {
    for (const stop of stops.toReversed()) await stop();
    await rm(dir, { recursive: true, force: true });
  }
}
