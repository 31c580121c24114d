/**
 * The whole job, here and now: a real libSQL server, the real Worker with local R2, D1 and Workflows,
 * a backup by cron, a download as a developer would do it, a restore, and a comparison of every value.
 * Ends with 0 only when everything compared equal.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import { gunzipSync } from "node:zlib";
import { apiClient, bodyOf, type Client } from "../src/cli/client.ts";
import { size } from "../src/cli/output.ts";
import { compareDatabases } from "./lib/compare.ts";
import { fireCron, migrateLocally, startWorker } from "./lib/local-worker.ts";
import { loadShop } from "./lib/sample-shop.ts";
import { freePort, type ServerProcess } from "./lib/server-process.ts";
import { startSqld } from "./lib/sqld.ts";

const TOKEN = "demo-admin-token";
const started = Date.now();
const servers: ServerProcess[] = [];

function say(text: string): void {
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(5);
  console.log(`${styleText("dim", `${seconds} s`)}  ${text}`);
}

/** Watch a run until it ends; its states and bytes go by as they change. */
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

async function demo(dir: string): Promise<boolean> {
  const sqld = await startSqld(join(dir, "sqld"));
  servers.push(sqld);
  say(`libSQL server at ${sqld.url}`);
  const rows = await loadShop(sqld.url);
  say(`sample shop loaded: ${rows.toLocaleString("en")} rows`);

  const persistTo = join(dir, "cloudflare");
  await migrateLocally(persistTo);
  const DATABASES = JSON.stringify({ shop: { url: sqld.url, badge: "public" } });
  const vars = { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY: "demo-signing-key" };
  const worker = await startWorker({ port: await freePort(), persistTo, vars });
  servers.push(worker);
  say(`Nightjar at ${worker.url}, with R2, D1 and Workflows of its own`);

  const client = apiClient({ url: worker.url, token: TOKEN });
  await fireCron(worker.url);
  say("cron fired");
  const shop = await bodyOf(client.v1.databases[":db"].$get({ param: { db: "shop" } }));
  const id = await watch(client, shop.lastRun!.id);
  const backup = await bodyOf(client.v1.backups[":id"].$get({ param: { id } }));
  const tables = backup.tables.map((table) => `${table.name} ${table.rows}`).join(", ");
  console.log(`
  backup    ${backup.id}   ${backup.tier}, ${backup.takenAt}
  key       ${backup.key}
  sql       ${size(backup.raw.bytes)}   sha256 ${backup.raw.sha256.slice(0, 16)}…
  stored    ${size(backup.stored.bytes)}   sha256 ${backup.stored.sha256.slice(0, 16)}…
  source    ${backup.source.version}, user_version ${backup.schema.userVersion}
  rows      ${backup.rows}: ${tables}
`);

  const link = await bodyOf(
    client.v1.backups[":id"].links.$post({
      param: { id },
      json: { format: "sql.gz", expiresIn: "1h" },
    }),
  );
  say(`signed link until ${link.expiresAt}:\n         ${link.url}`);
  const gz = await (await fetch(link.url)).arrayBuffer();
  const sql = gunzipSync(new Uint8Array(gz));
  say(`downloaded ${size(gz.byteLength)}; restoring ${size(sql.length)} of SQL into dev.db`);
  const dev = new DatabaseSync(join(dir, "dev.db"));
  dev.exec(sql.toString());

  const comparisons = await compareDatabases(sqld.url, dev);
  dev.close();
  for (const { table, rows: count, difference } of comparisons) {
    const verdict =
      difference === undefined ? styleText("green", "equal") : styleText("red", difference);
    console.log(`         ${table.padEnd(16)} ${String(count).padStart(6)} rows  ${verdict}`);
  }
  const badge = await fetch(`${worker.url}/badge/shop.json`).then((answer) => answer.json());
  const { label, message } = badge as { label: string; message: string };
  say(`badge "${label}: ${message}" at ${worker.url}/badge/shop.svg`);
  return comparisons.every(({ difference }) => difference === undefined);
}

async function cleanUp(dir: string): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
  await rm(dir, { recursive: true, force: true });
}

const dir = await mkdtemp(join(tmpdir(), "nightjar-demo-"));
process.once("SIGINT", () => void cleanUp(dir).then(() => process.exit(130)));
try {
  if (!(await demo(dir))) throw new Error("The restored database differs from the source.");
  say(styleText("green", "The restored database equals the source."));
  console.log(`
Next:
  npm start                    keep all this running, with a token to play with
  npm run nightjar -- --help   the command line
  README.md                    deploy it to your own Cloudflare account`);
} catch (error) {
  console.error(styleText("red", `The demo failed: ${(error as Error).message}`));
  for (const server of servers) console.error(server.output().slice(-2000));
  process.exitCode = 1;
} finally {
  await cleanUp(dir);
}
