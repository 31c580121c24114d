/**
 * `npm start`: run Nightjar on this machine until Ctrl-C, with a libSQL server and the sample shop, and fire
 * the cron every minute as Cloudflare would. Passes its options to `wrangler dev`.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../src/errors/errors.ts";
import { printableLines } from "../src/core/printable.ts";
import { fireCron, migrateLocally, startWorker } from "./lib/local-worker.ts";
import { ROOT } from "./lib/paths.ts";
import { loadShop } from "./lib/sample-shop.ts";
import { refuseBusyPort, type ServerProcess } from "./lib/server-process.ts";
import { startSqld } from "./lib/sqld.ts";

/** For this machine only: the Worker listens on 127.0.0.1. */
const TOKEN = "local-admin-token-for-this-machine";

/** Find an option that this script needs too: `--port=1` or `--port 1`. */
function option(args: string[], name: string): string | undefined {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at === -1) return undefined;
  const [, inline] = args[at]!.split("=", 2);
  const value = inline ?? args[at + 1];
  args.splice(at, inline === undefined ? 2 : 1);
  return value;
}

const servers: ServerProcess[] = [];
let stopping = false;
const stop = async (code = 0) => {
  stopping = true;
  await Promise.all(servers.map((server) => server.stop()));
  process.exit(code);
};
process.once("SIGINT", () => void stop());
process.once("SIGTERM", () => void stop());

try {
  const args = process.argv.slice(2);
  const port = Number(option(args, "--port") ?? 8787);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error("--port must be a whole number from 1 to 65535");
  // Two instances on one machine have two ports; each has its own state.
  const state = join(ROOT, ".wrangler", `local-${port}`);
  const persistTo = option(args, "--persist-to") ?? join(state, "cloudflare");
  await mkdir(state, { recursive: true });
  await refuseBusyPort(port);

  const data = join(state, "sample-shop");
  const isNew = !existsSync(data);
  const sqld = await startSqld(data);
  servers.push(sqld);
  if (isNew) await loadShop(sqld.url);

  await migrateLocally(persistTo);
  const DATABASES = JSON.stringify({ shop: { url: sqld.url, badge: "public" } });
  // Later options win, so --var DATABASES:… can replace the databases.
  const vars = { DATABASES, ADMIN_TOKEN: TOKEN, SIGNING_KEY: "local-signing-key-for-this-machine" };
  const worker = await startWorker({
    port,
    persistTo,
    vars,
    args,
    onOutput: (text) => process.stdout.write(text),
  });
  servers.push(worker);
  for (const [name, server] of [
    ["The libSQL server", sqld],
    ["wrangler dev", worker],
  ] as const)
    void server.ended.then(() => {
      if (stopping) return undefined;
      console.error(`${name} has ended.`);
      return stop(1);
    });
  const tick = () =>
    fireCron(worker.url).catch((error: unknown) =>
      console.error(printableLines(`cron: ${messageOf(error)}`)),
    );
  setInterval(() => void tick(), 60_000);
  await tick();

  console.log(`
Nightjar        ${worker.url}
libSQL server   ${sqld.url}
token           ${TOKEN}

Open the first address in a browser, and sign in with the token. In another terminal:
  export NIGHTJAR_URL=${worker.url} NIGHTJAR_TOKEN=${TOKEN}
  npx nightjar status
  npx nightjar backup shop
  npx nightjar pull shop
  npx nightjar timeline shop
  npx nightjar query shop "SELECT city, count(*) FROM customers GROUP BY city"
`);
} catch (error) {
  console.error(printableLines(messageOf(error)));
  await Promise.all(servers.map((server) => server.stop()));
  process.exitCode = 1;
}
