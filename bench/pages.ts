import { createClient } from "@libsql/client/http";
import { bodyOf, type Client } from "../src/cli/client.ts";
import { parseDiff } from "../src/model/diff-line.ts";
import { startCountingProxy, type CountingProxy } from "./counting-proxy.ts";
import { withLocalNightjar } from "./local.ts";
import { loadOrders } from "./load.ts";
import { cpuSeconds, memory, resetPeak, shell } from "./measure.ts";

export type Row = [what: string, value: string];

const mbOf = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
const secondsOf = (ms: number) => `${(ms / 1000).toFixed(2)} s`;

/**
 * Measure captures by pages of a database whose dump has about `mb` megabytes, and the cost and benefit of
 * the page log.
 */
export async function benchPages(mb: number, segments: readonly number[]): Promise<Row[]> {
  let proxy: CountingProxy | undefined;
  const databases = async (
    url: string,
    { onEnd }: { onEnd(this: void, stop: () => Promise<void>): void },
  ) => {
    proxy = await startCountingProxy(url);
    onEnd(() => proxy!.stop());
    return { first: { url }, again: { url }, counted: { url: proxy.url } };
  };
  return withLocalNightjar(databases, async (local) => {
    const { sqldUrl, client, workerds, backup } = local;

    const rows: Row[] = [];
    const report = (what: string, value: string) => {
      console.error(`${what}: ${value}`);
      rows.push([what, value]);
    };
    await loadOrders(sqldUrl, mb);
    const dump = `curl -sSf -H 'accept-encoding: identity' '${sqldUrl}/dump'`;
    await shell(`${dump} > /dev/null`);
    const curl = await shell(`${dump} > /dev/null`);
    const response = await fetch(`${sqldUrl}/dump`, { headers: { "accept-encoding": "identity" } });
    let dumpBytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      dumpBytes += chunk.length;
    report("curl /dump", `${curl.seconds.toFixed(2)} s, ${mbOf(dumpBytes)}`);

    for (const db of ["first", "again"]) {
      resetPeak(workerds);
      const rss = memory(workerds, "VmRSS");
      const cpu = cpuSeconds(workerds);
      const { rawBytes, storedBytes, captureMs: ms } = await backup(db);
      await logged(client, db);
      const grew = memory(workerds, "VmHWM") - rss;
      report(
        `capture of ${mbOf(rawBytes)} (${db})`,
        `${secondsOf(ms)} = ${(ms / 1000 / curl.seconds).toFixed(2)} × curl, ${(rawBytes / 1e3 / ms).toFixed(0)} MB/s, stored ${mbOf(storedBytes)}, ` +
          `with its proofs and the log's base ${(cpuSeconds(workerds) - cpu).toFixed(1)} CPU s, memory +${mbOf(grew)}`,
      );
    }

    await backup("counted");
    await logged(client, "counted");
    proxy!.take();
    await backup("counted");
    const idle = proxy!.take();
    report(
      "a night without a change",
      `${idle.requests} requests, ${idle.received} bytes received`,
    );

    const changed = await changeOnePercent(sqldUrl);
    const { storedBytes, captureMs: ms } = await backup("counted");
    const { received, requests } = proxy!.take();
    const { changes } = await timeline(client);
    const pageBytes = changes[0]!.pages * 4096;
    report(
      `a night with 1 % of the rows changed (${changed} rows, ${changes[0]!.pages} pages)`,
      `${secondsOf(ms)}; pulled ${mbOf(received)} in ${requests} requests = ${(received / pageBytes).toFixed(2)} × the pages, ` +
        `${(dumpBytes / received).toFixed(0)} × fewer than the dump; log +${mbOf(changes[0]!.bytes)}, snapshot ${mbOf(storedBytes)}`,
    );

    await benchQueries(client, report);
    await benchDiffs(sqldUrl, client, report);
    await benchMoments(sqldUrl, client, segments, report);
    return rows;
  });
}

/** Change 1 % of the table's rows, stored next to each other, as a day's work does. */
async function changeOnePercent(url: string): Promise<number> {
  const db = createClient({ url });
  const { rowsAffected } = await db.execute(
    "UPDATE orders SET note = 'moved' WHERE id < (SELECT max(id) FROM orders) / 100",
  );
  db.close();
  return rowsAffected;
}

async function benchQueries(client: Client, report: (what: string, value: string) => void) {
  const param = { db: "counted" };
  const newest = await bodyOf(
    client.v1.databases[":db"].backups[":backup"].$get({ param: { ...param, backup: "latest" } }),
  );
  const lookup = (id: number) => `SELECT * FROM orders WHERE id = ${id}`;
  for (const [temperature, sql] of [
    ["cold", lookup(12_345)],
    ["warm", lookup(12_345)],
    ["of another row", lookup(123_456)],
  ] as const) {
    const began = performance.now();
    const { pages, reads } = await bodyOf(
      client.v1.backups[":id"].query.$post({ param: { id: newest.id }, json: { sql, args: [] } }),
    );
    report(
      `indexed lookup, ${temperature}`,
      `${(performance.now() - began).toFixed(0)} ms, ${pages} pages, ${reads} reads of R2`,
    );
  }
}

/** Compare states that differ in 1 % of the pages, next to each other and spread over the table. */
async function benchDiffs(
  url: string,
  client: Client,
  report: (what: string, value: string) => void,
) {
  const param = { db: "counted" };
  const list = { param, query: { limit: "2" } };
  const { backups } = await bodyOf(client.v1.databases[":db"].backups.$get(list));
  const [newest, night] = [backups[0]!, backups[1]!];
  await diffOf("two backups, 1 % of the rows changed", { backup: night.id }, { backup: newest.id });

  const { window: before } = await timeline(client);
  const db = createClient({ url });
  await db.execute("UPDATE orders SET note = 'spread' WHERE id % 4000 = 0");
  db.close();
  await bodyOf(client.v1.databases[":db"].log.$post({ param }));
  const { window, changes } = await timeline(client);
  await diffOf(
    `two moments, ${changes[0]!.pages} pages changed, spread`,
    { at: before.to },
    { at: window.to },
  );

  async function diffOf(
    what: string,
    from: { backup: string } | { at: string },
    to: { backup: string } | { at: string },
  ) {
    const began = performance.now();
    const json = { from, to, detail: "summary" as const };
    const response = await client.v1.databases[":db"].diff.$post({ param, json });
    const { pages, tables } = parseDiff(await (response as unknown as Response).json());
    const ms = performance.now() - began;
    const rows = tables.reduce((sum, { changed }) => sum + changed, 0);
    report(
      `diff of ${what}`,
      `${secondsOf(ms)}, ${rows} rows, ${pages.read} pages of ${pages.of / 2} (${((200 * pages.read) / pages.of).toFixed(1)} %)`,
    );
  }
}

async function benchMoments(
  url: string,
  client: Client,
  segments: readonly number[],
  report: (what: string, value: string) => void,
) {
  const db = createClient({ url });
  let made = (await timeline(client)).changes.length - 1;
  for (const wanted of segments) {
    for (; made < wanted; made++) {
      await db.execute(`UPDATE orders SET paid = 1 - paid WHERE id % 9973 = ${made}`);
      await bodyOf(client.v1.databases[":db"].log.$post({ param: { db: "counted" } }));
    }
    const { window } = await timeline(client);
    const began = performance.now();
    const link = await bodyOf(
      client.v1.databases[":db"].links.$post({
        param: { db: "counted" },
        json: { at: window.to, format: "db", expiresIn: "1h" },
      }),
    );
    const response = await fetch(link.url);
    let bytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>)
      bytes += chunk.length;
    const ms = performance.now() - began;
    report(
      `a moment of ${made} segments`,
      `${secondsOf(ms)} for ${mbOf(bytes)}, ${(bytes / 1e3 / ms).toFixed(0)} MB/s`,
    );
  }
  db.close();
}

/** Wait until the log has begun. A backup begins it once it is made. */
async function logged(client: Client, db: string): Promise<void> {
  for (;;) {
    const answer = await client.v1.databases[":db"].timeline.$get({
      param: { db },
      query: { limit: "1" },
    });
    if (answer.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function timeline(client: Client) {
  return bodyOf(
    client.v1.databases[":db"].timeline.$get({
      param: { db: "counted" },
      query: { limit: "1000" },
    }),
  );
}
