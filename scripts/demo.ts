/**
 * The whole product on this machine: a real libSQL server, the real Worker on a local Cloudflare, a backup by
 * cron, downloads as a developer would make them, and a comparison of every value. Then a change, a backup
 * that pulls only the changes, the database as it was before, and a query in SQL.
 * Exits with 0 only if everything compared equal.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { createClient } from "@libsql/client/http";
import { apiClient, bodyOf, type Client } from "../src/cli/client.ts";
import { size } from "../src/cli/output.ts";
import { compareDatabases } from "./lib/compare.ts";
import { fireCron, migrateLocally, startWorker } from "./lib/local-worker.ts";
import { loadShop } from "./lib/sample-shop.ts";
import { freePort, type ServerProcess } from "./lib/server-process.ts";
import { startSqld } from "./lib/sqld.ts";

const TOKEN = "demo-admin-token-for-this-machine";
const SHOP = { db: "shop" };
const CHANGE = "UPDATE customers SET city = '東京' WHERE id <= 25";
const QUESTION = "SELECT city, count(*) AS n FROM customers GROUP BY city ORDER BY n DESC LIMIT 3";
const started = Date.now();
const servers: ServerProcess[] = [];

function say(text: string): void {
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(5);
  console.log(`${styleText("dim", `${seconds} s`)}  ${text}`);
}

/** Watch a run until it ends, and show its states and bytes as they change. */
async function watch(client: Client, runId: string) {
  let shown = "";
  for (;;) {
    const run = await bodyOf(client.v1.runs[":id"].$get({ param: { id: runId } }));
    const text = `${run.state}${run.rawBytes > 0 ? `, ${size(run.rawBytes)} read` : ""}`;
    if (text !== shown) say(`  run ${run.id}: ${(shown = text)}`);
    if (run.state === "failed") throw new Error(`${run.error!.message}\n${run.error!.hint}`);
    if (run.state === "done") return run.backupId!;
    await sleep(100);
  }
}

/** Wait until the page log has begun. The first backup begins it when it is done. */
async function pageLog(client: Client) {
  for (;;) {
    const query = { limit: "10" };
    const answer = await client.v1.databases[":db"].timeline.$get({ param: SHOP, query });
    if (answer.ok) return bodyOf(Promise.resolve(answer));
    await sleep(100);
  }
}

/** Compare with the server, and print the result of each table, on one line each or all on one line. */
async function isEqual(url: string, copy: DatabaseSync, brief = false): Promise<boolean> {
  const comparisons = await compareDatabases(url, copy);
  copy.close();
  const rows = comparisons.reduce((sum, comparison) => sum + comparison.rows, 0);
  const wrong = comparisons.filter(({ difference }) => difference !== undefined);
  const shown = brief ? wrong : comparisons;
  for (const { table, rows: count, difference } of shown)
    console.log(
      `         ${table.padEnd(16)} ${String(count).padStart(6)} rows  ${verdict(difference)}`,
    );
  if (brief && wrong.length === 0)
    console.log(
      `         ${"all of them".padEnd(16)} ${String(rows).padStart(6)} rows  ${verdict(undefined)}`,
    );
  return wrong.length === 0;
}

function verdict(difference: string | undefined): string {
  return difference === undefined ? styleText("green", "equal") : styleText("red", difference);
}

async function fetched(url: string): Promise<Buffer> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`a download answered ${answer.status}: ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}

async function demo(dir: string): Promise<boolean> {
  const sqld = await startSqld(join(dir, "sqld"));
  servers.push(sqld);
  say(`libSQL server at ${sqld.url}`);
  const rows = await loadShop(sqld.url);
  say(`sample shop loaded: ${rows.toLocaleString("en")} rows`);

  const persistTo = join(dir, "cloudflare");
  await migrateLocally(persistTo);
  const DATABASES = JSON.stringify({ shop: { url: sqld.url, badge: "public" } });
  const vars = { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY: "demo-signing-key-for-this-machine" };
  const worker = await startWorker({ port: await freePort(), persistTo, vars });
  servers.push(worker);
  say(`Nightjar at ${worker.url}, with R2, D1, Workflows and Durable Objects of its own`);

  const client = apiClient({ url: worker.url, token: TOKEN });
  const link = async (id: string, format: string) =>
    bodyOf(
      client.v1.backups[":id"].links.$post({ param: { id }, json: { format, expiresIn: "1h" } }),
    );

  await fireCron(worker.url);
  say("cron fired");
  const shop = await bodyOf(client.v1.databases[":db"].$get({ param: SHOP }));
  const id = await watch(client, shop.lastRun!.id);
  const backup = await bodyOf(client.v1.backups[":id"].$get({ param: { id } }));
  const tables = backup.tables.map((table) => `${table.name} ${table.rows}`).join(", ");
  console.log(`
  backup    ${backup.id}   ${backup.tier}, ${backup.takenAt}
  key       ${backup.key}
  file      ${size(backup.raw.bytes)}   sha256 ${backup.raw.sha256.slice(0, 16)}…
  stored    ${size(backup.stored.bytes)}   sha256 ${backup.stored.sha256.slice(0, 16)}…
  source    ${backup.source.version}, user_version ${backup.schema.userVersion}
  read by   pages: ${backup.snapshot?.method.why ?? "no, as a dump"}
  rows      ${backup.rows}: ${tables}
`);

  const signed = await link(id, "db");
  say(`signed link until ${signed.expiresAt}:\n         ${signed.url}`);
  const file = await fetched(signed.url);
  await writeFile(join(dir, "dev.db"), file);
  say(`downloaded ${size(file.length)} as dev.db; every value against the server's:`);
  let equal = await isEqual(sqld.url, new DatabaseSync(join(dir, "dev.db")));
  const { url: sqlUrl } = await link(id, "sql");
  const sql = await fetched(sqlUrl);
  say(`downloaded ${size(sql.length)} as SQL, loaded into a new database:`);
  const loaded = new DatabaseSync(":memory:");
  loaded.exec(sql.toString());
  equal = (await isEqual(sqld.url, loaded, true)) && equal;

  const { to: before } = (await pageLog(client)).window;
  const server = createClient({ url: sqld.url });
  await server.execute(CHANGE);
  say(`changed on the server: ${CHANGE}`);
  const run = await bodyOf(
    client.v1.databases[":db"].backups.$post({
      param: SHOP,
      json: { name: "after the change", tier: "manual", labels: {}, wait: false },
    }),
  );
  const second = await watch(client, run.id);
  const [change] = (await pageLog(client)).changes;
  say(
    `the second backup pulled ${change!.pages} of ${change!.pageCount} pages, ${size(change!.bytes)}`,
  );
  const { url: secondUrl } = await link(second, "db");
  await writeFile(join(dir, "dev2.db"), await fetched(secondUrl));
  equal = (await isEqual(sqld.url, new DatabaseSync(join(dir, "dev2.db")), true)) && equal;

  const past = await bodyOf(
    client.v1.databases[":db"].links.$post({
      param: SHOP,
      json: { at: before, format: "db", expiresIn: "1h" },
    }),
  );
  const same = file.equals(await fetched(past.url));
  say(
    `as it was at ${before}: ${same ? styleText("green", "the first backup, byte for byte") : verdict("not the first backup")}`,
  );

  const asked = await bodyOf(
    client.v1.backups[":id"].query.$post({
      param: { id: second },
      json: { sql: QUESTION, args: [] },
    }),
  );
  const answer = JSON.stringify(asked.rows);
  const { rows: rowsNow } = await server.execute(QUESTION);
  const right = answer === JSON.stringify(rowsNow.map((row) => Array.from(row)));
  server.close();
  say(`asked the stored backup: ${QUESTION}`);
  say(
    `  ${answer} from ${asked.pages} pages: ${verdict(right ? undefined : "not what the server says")}`,
  );

  const badge = await fetch(`${worker.url}/badge/shop.json`).then((response) => response.json());
  const { label, message } = badge as { label: string; message: string };
  say(`badge "${label}: ${message}" at ${worker.url}/badge/shop.svg`);
  return equal && same && right && change!.pages < change!.pageCount;
}

async function cleanUp(dir: string): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
}

const dir = await mkdtemp(join(tmpdir(), "nightjar-demo-"));
process.once("SIGINT", () => void cleanUp(dir).then(() => process.exit(130)));
try {
  if (!(await demo(dir))) throw new Error("What came back differs from the source.");
  say(styleText("green", "Everything that came back equals the source."));
  console.log(`
Next:
  npm start                    keep all this running, with a token to play with
  npx nightjar --help          the command line
  README.md                    deploy it to your own Cloudflare account`);
} catch (error) {
  console.error(styleText("red", `The demo failed: ${(error as Error).message}`));
  for (const server of servers) console.error(server.output().slice(-2000));
  process.exitCode = 1;
} finally {
  await cleanUp(dir);
}
