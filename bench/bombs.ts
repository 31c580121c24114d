import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client/http";
import { freePort } from "../scripts/lib/server-process.ts";
import { startSqld } from "../scripts/lib/sqld.ts";
import { bodyOf, type Client } from "../src/cli/client.ts";
import { startBombServer } from "../test/support/bomb-server.ts";
import { watchHeap } from "./heap.ts";
import { withLocalNightjar } from "./local.ts";
import { memory, resetPeak } from "./measure.ts";
import type { Row } from "./pages.ts";

/** Servers whose answers are endless, or grow when decompressed: see test/support/bomb-server.ts. */
const SERVERS = [
  "500",
  "404",
  "200",
  "404-gzip",
  "500-gzip",
  "200-gzip",
  "rows",
  "schema",
  "pages",
];

const ENDLESS =
  "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c)";
const LONG_SEARCH = "instr(hex(zeroblob(400000)), hex(zeroblob(200000)) || '1')";
const REPEATED =
  "WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 120000) INSERT INTO t SELECT group_concat";

/** Databases built to keep a Worker busy, or to fill its memory. */
const SCHEMAS: Record<string, string> = {
  "computed-migration": `CREATE TABLE schema_migrations(version TEXT, bomb AS (${LONG_SEARCH}));
    INSERT INTO schema_migrations(version) VALUES ('1'), ('2');`,
  "slow-check": `CREATE TABLE t(a, b); INSERT INTO t VALUES (hex(zeroblob(1000000)), hex(zeroblob(20000)));
    ALTER TABLE t ALTER COLUMN a TO a CHECK (a = '' OR a LIKE '%' || b || '1');`,
  "endless-view": `CREATE TABLE t(a); CREATE VIEW v AS ${ENDLESS.slice(1, -1)};`,
  "endless-trigger": `CREATE TABLE t(a); INSERT INTO t VALUES ('ann'), ('bob');
    CREATE TRIGGER r BEFORE DELETE ON t BEGIN SELECT count(*) FROM t a, t b WHERE ${LONG_SEARCH} > 0; END;`,
  marks: `CREATE TABLE t(a); ${REPEATED}('\r(\r' || x || ')', '') FROM c;`,
  comment: `CREATE TABLE t(a); CREATE VIEW v AS SELECT 1 /*${" ;\n".repeat(65_000)}*/;`,
  "long-statement": "CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(4000000));",
};

/** Each bomb by its name, and the formats to download. */
const FETCHED = ["sql", "db", "sql.zst"] as const;

/**
 * Measure how much a Worker grows, and how long others wait for an answer, while it meets each bomb: a backup
 * with its proofs, then downloads with a row erased, queries, and readers that stall.
 */
export async function benchBombs(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), "nightjar-bombs-"));
  const databases = async (
    _url: string,
    { onEnd }: { onEnd(this: void, stop: () => Promise<void>): void },
  ) => {
    const bombs = await startBombServer();
    onEnd(() => bombs.stop());
    const admin = `127.0.0.1:${await freePort()}`;
    const sqld = await startSqld(join(dir, "sqld"), [
      "--enable-namespaces",
      ...["--admin-listen-addr", admin],
    ]);
    onEnd(() => sqld.stop());
    for (const [name, sql] of Object.entries(SCHEMAS)) await load(sqld.url, admin, name, sql);
    await load(sqld.url, admin, "target", "");
    const once = { attempts: 1 };
    const target = { url: sqld.url, namespace: "target" };
    return Object.fromEntries([
      ...SERVERS.map((kind) => [`server-${kind}`, { url: `${bombs.url}/${kind}`, ...once }]),
      ...Object.keys(SCHEMAS).flatMap((name) => [
        [name, { url: sqld.url, namespace: name, ...once }],
        [`dumped-${name}`, { url: sqld.url, namespace: name, capture: "dump", ...once }],
      ]),
      ["target", target],
    ]) as Record<string, object>;
  };
  try {
    return await withLocalNightjar(databases, async (local) => {
      const { client, inspectorPort, workerds, backup } = local;
      const rows: Row[] = [];
      const heap = await watchHeap(inspectorPort);
      const health = watchHealth(client);
      const measure = async (what: string, work: () => Promise<string>) => {
        heap.takePeak();
        health.takeSlowest();
        await new Promise((resolve) => setTimeout(resolve, 500));
        const before = heap.takePeak();
        resetPeak(workerds);
        const resident = memory(workerds, "VmRSS");
        const said = await work().catch((thrown: Error) => thrown.message.slice(0, 70));
        const grew = Math.max(0, heap.takePeak() - before) / 1e6;
        const more = (memory(workerds, "VmHWM") - resident) / 1e6;
        const value = `heap +${grew.toFixed(0)} MB, process +${more.toFixed(0)} MB, /healthz ${(health.takeSlowest() / 1000).toFixed(2)} s: ${said}`;
        console.error(`${what}: ${value}`);
        rows.push([what, value]);
      };
      try {
        for (const name of SERVERS.map((kind) => `server-${kind}`))
          await measure(name, () => backup(name).then(() => "backed up"));
        for (const name of Object.keys(SCHEMAS).flatMap((own) => [own, `dumped-${own}`])) {
          await measure(name, () => backup(name).then(() => "backed up"));
          const id = await newest(client, name).catch(() => undefined);
          if (id === undefined) continue;
          if (name.endsWith("endless-trigger")) await eraseAnn(client, name);
          for (const format of FETCHED)
            await measure(`${name} as ${format}`, () => download(client, id, format));
          await measure(`${name} restored`, () => restoreTo(client, id, "target"));
        }
        const id = await newest(client, "computed-migration");
        for (const sql of [
          `SELECT ${ENDLESS}`,
          `SELECT sum(${LONG_SEARCH}) FROM schema_migrations`,
        ])
          await measure(sql.slice(0, 40), () => ask(client, id, sql));
        const long = await newest(client, "long-statement");
        await measure("12 readers that stall", () => stall(client, long, 12));
      } finally {
        heap.stop();
        health.stop();
      }
      return rows;
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function load(url: string, admin: string, namespace: string, sql: string): Promise<void> {
  await fetch(`http://${admin}/v1/namespaces/${namespace}/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const header = {
    "x-namespace-bin": Buffer.from(namespace).toString("base64").replace(/=+$/, ""),
  };
  const fetchThere = async (request: Request) => {
    const headers = new Headers(request.headers);
    for (const [name, value] of Object.entries(header)) headers.set(name, value);
    return fetch(request.url, { method: request.method, headers, body: await request.text() });
  };
  const client = createClient({ url, fetch: fetchThere });
  await client.executeMultiple(sql);
  client.close();
}

/** Ask for the Worker's health ten times a second. */
function watchHealth(client: Client) {
  let slowest = 0;
  let timer: ReturnType<typeof setTimeout>;
  const look = async () => {
    const began = performance.now();
    const answer = await client.healthz.$get().catch(() => undefined);
    if (answer !== undefined) await answer.arrayBuffer();
    slowest = Math.max(slowest, performance.now() - began);
    timer = setTimeout(() => void look(), 100);
  };
  void look();
  return {
    /** ms */
    takeSlowest() {
      const taken = slowest;
      slowest = 0;
      return taken;
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

async function newest(client: Client, db: string): Promise<string> {
  const param = { db, backup: "latest" };
  return (await bodyOf(client.v1.databases[":db"].backups[":backup"].$get({ param }))).id;
}

async function linkOf(client: Client, id: string, format: (typeof FETCHED)[number]) {
  const json = { format, expiresIn: "1h" };
  return (await bodyOf(client.v1.backups[":id"].links.$post({ param: { id }, json }))).url;
}

async function download(
  client: Client,
  id: string,
  format: (typeof FETCHED)[number],
): Promise<string> {
  const answer = await fetch(await linkOf(client, id, format));
  let bytes = 0;
  if (answer.body !== null)
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>)
      bytes += piece.length;
  return `${answer.status}, ${bytes} bytes`;
}

async function eraseAnn(client: Client, db: string): Promise<void> {
  const json = { table: "t", column: "a", key: "ann", who: "bench", force: false };
  await bodyOf(client.v1.databases[":db"].erasures.$post({ param: { db }, json }));
}

async function ask(client: Client, id: string, sql: string): Promise<string> {
  const answer = await client.v1.backups[":id"].query.$post({
    param: { id },
    json: { sql, args: [] },
  });
  return `${answer.status}: ${(await answer.text()).slice(0, 60)}`;
}

async function restoreTo(client: Client, id: string, database: string): Promise<string> {
  const json = { target: { database }, overwrite: true, way: "statements" } as const;
  const answer = await client.v1.backups[":id"].restore.$post({
    param: { id },
    json: {
      ...json,
      schemaOnly: false,
      dataOnly: false,
      verify: false,
      sanitize: false,
      dryRun: false,
    },
  });
  return (await answer.text()).trim().split("\n").at(-1)!.slice(0, 70);
}

/** Open links and read nothing from them for a while. */
async function stall(client: Client, id: string, readers: number): Promise<string> {
  const answers: Response[] = [];
  for (let reader = 0; reader < readers; reader++)
    answers.push(await fetch(await linkOf(client, id, "sql")));
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  for (const answer of answers) await answer.body?.cancel();
  return answers.map(({ status }) => status).join(" ");
}
