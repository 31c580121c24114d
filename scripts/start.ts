/**
 * `npm start`: run Nightjar on this machine until Ctrl-C, with the databases of wrangler.toml or the sample
 * shop on a libSQL server, and fire the cron every minute as Cloudflare would. `--sample` takes the sample in
 * any case. Passes its other options to `wrangler dev`.
 */
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { messageOf } from "../src/errors/errors.ts";
import { printableLines } from "../src/core/printable.ts";
import { localDatabases } from "./lib/local-databases.ts";
import { fireCron, migrateLocally, startWorker } from "./lib/local-worker.ts";
import { ROOT } from "./lib/paths.ts";
import { refuseBusyPort, type ServerProcess } from "./lib/server-process.ts";

/** Find an option that this script needs too: `--port=1` or `--port 1`. */
function option(args: string[], name: string): string | undefined {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at === -1) return undefined;
  const [, inline] = args[at]!.split("=", 2);
  const value = inline ?? args[at + 1];
  args.splice(at, inline === undefined ? 2 : 1);
  return value;
}

/** Find a switch that `wrangler dev` does not have, and take it out. */
function flag(args: string[], name: string): boolean {
  const at = args.indexOf(name);
  if (at !== -1) args.splice(at, 1);
  return at !== -1;
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
  const elsewhere = option(args, "--persist-to");
  const persistTo = elsewhere ?? join(state, "cloudflare");
  await mkdir(state, { recursive: true });
  await refuseBusyPort(port);

  const databases = await localDatabases(state, flag(args, "--sample"));
  const { names, token, sqld, notes } = databases;
  if (sqld !== undefined) servers.push(sqld);

  await migrateLocally(persistTo);
  // Later options win, so --var DATABASES:… can replace the databases.
  const vars = { ...databases.vars };
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
    void server?.ended.then(() => {
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

  const [first = "shop"] = names;
  console.log(`
Nightjar        ${worker.url}
${sqld === undefined ? "" : `libSQL server   ${sqld.url}\n`}token           ${token}
data            ${elsewhere ?? state}
                (to begin anew: stop this, and rm -r ${relative(".", elsewhere ?? state)})
${notes.map((line) => `\n${printableLines(line)}`).join("")}${notes.length === 0 ? "" : "\n"}
Open the first address in a browser, and sign in with the token. In another terminal:
  export NIGHTJAR_URL=${worker.url} NIGHTJAR_TOKEN=${token}
  npx nightjar status
  npx nightjar backup ${first}
  npx nightjar pull ${first}
  npx nightjar timeline ${first}
  npx nightjar query ${first} "${sqld === undefined ? "SELECT name FROM sqlite_schema" : "SELECT city, count(*) FROM customers GROUP BY city"}"
`);
} catch (error) {
  console.error(printableLines(messageOf(error)));
  await Promise.all(servers.map((server) => server.stop()));
  process.exitCode = 1;
}
