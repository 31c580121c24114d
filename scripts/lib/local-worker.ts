import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT, WRANGLER } from "./paths.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

/** Keep wrangler quiet and offline: local work needs no network. */
export const QUIET = {
  CI: "1",
  NO_COLOR: "1",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
};

export interface LocalWorkerOptions {
  port: number;
  /** The folder where the local R2, D1 and Workflows keep their state. */
  persistTo: string;
  /** Variables and secrets. */
  vars: Record<string, string>;
  /** Port of V8's inspector; a free one by default. */
  inspectorPort?: number;
  /** Options for V8 (`node --v8-options` lists them), separated by spaces. */
  v8Options?: string;
  /** Further options of `wrangler dev`. */
  args?: string[];
  onOutput?: (text: string) => void;
}

/** Create or update the tables of the local catalog. */
export async function migrateLocally(persistTo: string): Promise<void> {
  if (existsSync(join(persistTo, "v3/d1"))) return d1(persistTo, "migrations", "apply", "DB");
  // wrangler starts workerd again for every migration: a new catalog gets all of them at once.
  const dir = await mkdtemp(join(tmpdir(), "nightjar-migrations-"));
  try {
    const file = join(dir, "all.sql");
    await writeFile(file, await allMigrations());
    await d1(persistTo, "execute", "DB", "--file", file);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Join all migrations, and enter each into the table where wrangler looks which ones were applied. */
async function allMigrations(): Promise<string> {
  const folder = join(ROOT, "migrations");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
  const statements = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return `${statements.join("\n")}
    CREATE TABLE d1_migrations (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT UNIQUE,
      applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
    );
    INSERT INTO d1_migrations (name) VALUES ${names.map((name) => `('${name}')`).join(", ")};`;
}

/** Run a command of `wrangler d1` on the local catalog. */
async function d1(persistTo: string, ...command: string[]): Promise<void> {
  const args = [WRANGLER, "d1", ...command, "--local", "--persist-to", persistTo];
  await promisify(execFile)(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...QUIET },
  });
}

/** Run the Worker in `wrangler dev`, on 127.0.0.1. */
export function startWorker(options: LocalWorkerOptions): Promise<ServerProcess> {
  const { port, persistTo, vars, inspectorPort = 0, v8Options, args = [], onOutput } = options;
  const named = Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
  const own = [
    "--ip",
    "127.0.0.1",
    "--port",
    String(port),
    "--inspector-port",
    String(inspectorPort),
  ];
  return startServer({
    name: "wrangler dev",
    command: process.execPath,
    args: [WRANGLER, "dev", ...own, "--persist-to", persistTo, ...named, ...args],
    cwd: ROOT,
    env: { ...QUIET, ...(v8Options !== undefined && { MINIFLARE_WORKERD_V8_FLAGS: v8Options }) },
    url: `http://127.0.0.1:${port}`,
    ...(onOutput === undefined ? {} : { onOutput }),
  });
}

/** Fire the Worker's cron as Cloudflare would. @param time the scheduled time, ms; now by default */
export async function fireCron(url: string, cron = "* * * * *", time?: number): Promise<void> {
  const at = time === undefined ? {} : { time: String(time) };
  const query = new URLSearchParams({ cron, format: "json", ...at });
  const response = await fetch(`${url}/cdn-cgi/handler/scheduled?${query.toString()}`);
  const text = await response.text();
  const { outcome } = JSON.parse(text) as { outcome?: string };
  if (outcome !== "ok") throw new Error(`The cron failed: ${text}`);
}
