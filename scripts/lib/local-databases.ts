import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { loadShop } from "./sample-shop.ts";
import { databasesWithoutRefresh, neededSecrets, readProject } from "./provision.ts";
import { ROOT } from "./paths.ts";
import type { ServerProcess } from "./server-process.ts";
import { startSqld } from "./sqld.ts";

/** For this machine only: the Worker listens on 127.0.0.1. */
const SECRETS = {
  ADMIN_TOKEN: "local-admin-token-for-this-machine",
  SIGNING_KEY: "local-signing-key-for-this-machine",
};

/** The databases that a local Nightjar protects, and what its Worker is started with. */
export interface LocalDatabases {
  readonly names: readonly string[];
  /** Variables beside those of wrangler.toml and .dev.vars. */
  readonly vars: Readonly<Record<string, string>>;
  readonly token: string;
  /** The server of the sample shop; undefined where the databases are the user's own. */
  readonly sqld: ServerProcess | undefined;
  /** What the user should know. */
  readonly notes: readonly string[];
}

/**
 * Use the databases of wrangler.toml with the secrets of .dev.vars, or where there are none the sample shop on
 * a libSQL server of its own.
 *
 * @param state folder of the sample's data
 * @throws NightjarError `CONFIG_INVALID`
 */
export async function localDatabases(
  state: string,
  wantsSample: boolean,
  root: string = ROOT,
): Promise<LocalDatabases> {
  const secrets = await readSecrets(join(root, ".dev.vars"));
  const own = Object.entries(SECRETS).filter(([name]) => secrets[name] === undefined);
  const token = secrets["ADMIN_TOKEN"] ?? SECRETS.ADMIN_TOKEN;
  const vars = Object.fromEntries(own);
  const toml = await readFile(join(root, "wrangler.toml"), "utf8");
  const project = readProject(toml);
  const names = [...project.databases.keys()];
  const { turso } = project;
  if (wantsSample || (names.length === 0 && turso === undefined)) {
    const sqld = await startSample(state);
    const DATABASES = JSON.stringify({ shop: { url: sqld.url, badge: "public" } });
    const others = [...names, ...(turso === undefined ? [] : ["those of TURSO"])];
    const notes = others.length === 0 ? [] : [`The sample, and not ${others.join(", ")}.`];
    const sampleOnly = turso === undefined ? { DATABASES } : { DATABASES, TURSO: "" };
    return { names: ["shop"], vars: { ...vars, ...sampleOnly }, token, sqld, notes };
  }
  const missing = neededSecrets(project).filter(
    (name) => secrets[name] === undefined && !(name in SECRETS),
  );
  const refreshed = [...project.databases.values()].flatMap(({ refresh }) => refresh?.into ?? []);
  const unwritten =
    refreshed.length === 0 ? {} : { DATABASES: JSON.stringify(databasesWithoutRefresh(toml)) };
  return {
    ...{ names, vars: { ...vars, ...unwritten }, token, sqld: undefined },
    notes: [
      `The databases of wrangler.toml: ${names.join(", ") || "none"}. They are read, and never written to.`,
      ...(turso === undefined
        ? []
        : [`And those of the organization ${turso.organization} of Turso that TURSO protects.`]),
      ...(refreshed.length === 0 ? [] : [`Not refreshed from here: ${refreshed.join(", ")}.`]),
      "Their backups are stored on this machine, and only while this runs: it is a try, and no safety.",
      ...(missing.length === 0
        ? []
        : [`Not in .dev.vars, and needed: ${missing.join(", ")}. Add them, and start again.`]),
      "The sample instead: npm start -- --sample",
    ],
  };
}

async function readSecrets(file: string): Promise<NodeJS.Dict<string>> {
  return existsSync(file) ? parseEnv(await readFile(file, "utf8")) : {};
}

/** Start the sample's server on the port that it had, so that the Worker's method and log still fit. */
async function startSample(state: string): Promise<ServerProcess> {
  const data = join(state, "sample-shop");
  const kept = join(state, "sample-shop-port");
  const isNew = !existsSync(data);
  await mkdir(state, { recursive: true });
  const port = existsSync(kept) ? Number(await readFile(kept, "utf8")) : undefined;
  const sqld = await startSqld(data, [], port).catch((error: unknown) => {
    if (port === undefined) throw error;
    return startSqld(data); // another program has that port by now
  });
  await writeFile(kept, new URL(sqld.url).port);
  if (isNew) await loadShop(sqld.url);
  return sqld;
}
