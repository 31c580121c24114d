import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bodyOf, type Client } from "../src/cli/client.ts";
import { startTursodb } from "../test/support/tursodb.ts";
import { type Local, withLocalNightjar } from "./local.ts";
import type { Row } from "./pages.ts";

/** Rows of one comparison. */
const AT_ONCE = 2000;
/** Bytes of a row's blob. */
const BLOB = 1800;

/**
 * Measure captures of a database of about `mb` megabytes that `tursodb` made, by its pages and, in MVCC mode,
 * by its rows. What comes back is compared with what tursodb reads.
 *
 * @throws Error for a difference
 */
export async function benchTurso(mb: number): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-turso-"));
  const urls: Record<string, string> = {};
  const databases = async (_: string, { onEnd }: Pick<Local, "onEnd">) => {
    for (const [name, mode] of [
      ["pages", "wal"],
      ["mvcc", "mvcc"],
    ] as const) {
      const server = await startTursodb(join(dir, `${name}.db`));
      onEnd(() => server.stop());
      urls[name] = server.url;
      await fill(server.url, mode, mb);
    }
    return Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, { url }]));
  };
  try {
    return await withLocalNightjar(databases, async ({ client, backup, onEnd }) => {
      const rows: Row[] = [];
      for (const [name, format] of [
        ["pages", "db"],
        ["mvcc", "sql"],
      ] as const) {
        const began = performance.now();
        const { rawBytes, captureMs: ms } = await backup(name);
        const whole = performance.now() - began;
        const file = join(dir, `${name}-back.db`);
        await download(client, name, format, file);
        const copy = await startTursodb(file);
        onEnd(() => copy.stop());
        const count = await compare(urls[name]!, copy.url);
        const seconds = (spent: number) => `${(spent / 1000).toFixed(1)} s`;
        rows.push([
          `${name}: ${(rawBytes / 1e6).toFixed(0)} MB as ${format}`,
          `stored after ${seconds(ms)}, proven after ${seconds(whole)}; ${count} rows are equal`,
        ]);
        console.error(rows.at(-1)!.join(": "));
      }
      return rows;
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function fill(url: string, mode: "wal" | "mvcc", mb: number): Promise<void> {
  const insert = "INSERT INTO items(data, name, price) SELECT";
  await ask(
    url,
    `PRAGMA journal_mode = '${mode}'`,
    "CREATE TABLE items (id INTEGER PRIMARY KEY, data BLOB, name TEXT, price REAL)",
    "CREATE INDEX by_name ON items (name)",
    `${insert} randomblob(${BLOB}), 'item', 0.25`,
  );
  for (let count = 1; count * BLOB < mb * 1e6; count *= 2)
    await ask(
      url,
      `${insert} randomblob(${BLOB}), 'item ' || (id * 7919 % 100003), id / 3.0 FROM items`,
    );
}

/** Save the newest backup as a database file; SQL is loaded into one. */
async function download(
  client: Client,
  db: string,
  format: "db" | "sql",
  file: string,
): Promise<void> {
  const param = { db, backup: "latest" };
  const { id } = await bodyOf(client.v1.databases[":db"].backups[":backup"].$get({ param }));
  const json = { format, expiresIn: "1h" };
  const { url } = await bodyOf(client.v1.backups[":id"].links.$post({ param: { id }, json }));
  const { body } = await fetch(url);
  const to = format === "db" ? file : `${file}.sql`;
  await pipeline(Readable.fromWeb(body as never), createWriteStream(to));
  if (format === "db") return;
  const loaded = new DatabaseSync(file);
  loaded.exec(await readFile(to, "utf8"));
  loaded.close();
}

/** Compare the schema and all rows of two servers. @returns the number of rows @throws Error */
async function compare(one: string, other: string): Promise<number> {
  const same = async (sql: string): Promise<string> => {
    const [here, there] = await Promise.all([ask(one, sql), ask(other, sql)]);
    if (here !== there) throw new Error(`the copy answers otherwise: ${sql}`);
    return here;
  };
  await same(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE '\\_\\_turso%' ESCAPE '\\' ORDER BY name",
  );
  const [, count] = /"value":"([0-9]+)"/.exec(await same("SELECT count(*) FROM items"))!;
  for (let from = 0; from < Number(count); from += AT_ONCE)
    await same(`SELECT * FROM items WHERE id > ${from} AND id <= ${from + AT_ONCE} ORDER BY id`);
  return Number(count);
}

/** Run statements. @returns the answer as it came @throws Error for one that fails */
async function ask(url: string, ...statements: string[]): Promise<string> {
  const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
  const answer = await fetch(`${url}/v2/pipeline`, {
    method: "POST",
    body: JSON.stringify({ requests }),
  });
  const text = await answer.text();
  if (!answer.ok || text.includes('{"type":"error"')) throw new Error(text.slice(0, 500));
  return text.replaceAll(/"query_duration_ms":[^,}]*/g, "");
}
