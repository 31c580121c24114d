import { bodyOf, type Client } from "../src/cli/client.ts";
import type { Format } from "../src/plan/formats.ts";
import { watchHeap } from "./heap.ts";
import { loadOrders } from "./load.ts";
import { withLocalNightjar } from "./local.ts";
import type { Row } from "./pages.ts";

const mbOf = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
/**
 * Cloudflare gives an isolate 128 MB. By default, V8 has no limit here and collects late, so a measurement
 * mostly shows garbage. `--no-limit` measures that case.
 */
const LIMIT = "--max-heap-size=128";
const DOWNLOADED = ["db", "db.zst", "sql", "sql.gz", "sql.zst", "ndjson", "parquet"] as const;
const QUESTION = "SELECT count(*), sum(length(note)) FROM orders";

/**
 * Measure the peak memory of one isolate: first each kind of work alone, then six captures, two queries, two
 * drills and four downloads at once, of a database whose dump has about `mb` megabytes.
 *
 * @param limited true to limit V8 to what Cloudflare gives an isolate
 * @param collects as `watchHeap` has it
 */
export async function benchMemory(mb: number, limited: boolean, collects: boolean): Promise<Row[]> {
  const names = [1, 2, 3, 4, 5, 6];
  const databases = async (url: string) =>
    Object.fromEntries([
      ["pages", { url }],
      ["dump", { url, capture: "dump" }],
      ["rows", { url, capture: "rows" }],
      ...names.map((n) => [`pages-${n}`, { url }]),
      ...names.map((n) => [`dump-${n}`, { url, capture: "dump" }]),
    ]) as Record<string, object>;
  return withLocalNightjar(
    databases,
    async ({ sqldUrl, client, inspectorPort, backup }) => {
      const rows: Row[] = [];
      await loadOrders(sqldUrl, mb);
      const heap = await watchHeap(inspectorPort, collects);
      const measure = async (what: string, work: () => Promise<unknown>) => {
        heap.takePeak();
        const began = performance.now();
        await work();
        const seconds = ((performance.now() - began) / 1000).toFixed(0);
        const value = `${mbOf(heap.takePeak())} at the most, ${seconds} s`;
        console.error(`${what}: ${value}`);
        rows.push([what, value]);
      };
      try {
        await measure("nothing", () =>
          bodyOf(client.v1.databases.$get({ query: { limit: "100" } })),
        );
        await measure("a backup by pages with its proofs", () => backup("pages"));
        await measure("a backup by dump with its proofs", () => backup("dump"));
        await measure("a backup by rows with its proofs", () => backup("rows"));
        const id = await newest(client, "pages");
        const ask = () =>
          retryBusy(() =>
            client.v1.backups[":id"].query.$post({
              param: { id },
              json: { sql: QUESTION, args: [] },
            }),
          );
        const drill = (backupId: string) =>
          bodyOf(client.v1.backups[":id"].drill.$post({ param: { id: backupId } }));
        await measure("a query over all rows", ask);
        await measure("a drill", () => drill(id));
        for (const format of DOWNLOADED)
          await measure(`a download as ${format}`, () => download(client, id, format));
        for (const way of ["pages", "dump"]) {
          await measure(`six captures by ${way}, two queries, two drills, four downloads`, () =>
            Promise.all([
              ...names.map((n) => backup(`${way}-${n}`)),
              ...[ask(), ask(), drill(id), drill(id)],
              ...(["db", "sql", "sql.gz", "sql.zst"] as const).map((f) => download(client, id, f)),
            ]),
          );
        }
      } finally {
        heap.stop();
      }
      return rows;
    },
    limited ? LIMIT : undefined,
  );
}

async function newest(client: Client, db: string): Promise<string> {
  const param = { db, backup: "latest" };
  return (await bodyOf(client.v1.databases[":db"].backups[":backup"].$get({ param }))).id;
}

async function download(client: Client, id: string, format: Format): Promise<number> {
  // Parquet has one table.
  const json = { format, expiresIn: "1h", ...(format === "parquet" && { tables: ["orders"] }) };
  const { url } = await bodyOf(client.v1.backups[":id"].links.$post({ param: { id }, json }));
  const response = await retryBusy(() => fetch(url));
  let bytes = 0;
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>)
    bytes += piece.length;
  return bytes;
}

/** Repeat a request while it answers 503, until there is memory for it. */
async function retryBusy<R extends { status: number; ok: boolean }>(
  request: () => Promise<R>,
): Promise<R> {
  for (;;) {
    const answer = await request();
    if (answer.ok) return answer;
    if (answer.status !== 503) throw new Error(`it answered ${answer.status}`);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
