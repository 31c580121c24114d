import { parse } from "smol-toml";
import { readAccess } from "../../src/config/access.ts";
import { type Channel, channelSecrets, readChannels } from "../../src/config/channels.ts";
import { tableOrJson } from "../../src/config/fields.ts";
import { configError } from "../../src/config/mistakes.ts";
import { type CopyConfig, copySecrets, parseCopy } from "../../src/config/second-copy.ts";
import { namedSecrets } from "../../src/config/secret-values.ts";
import { readTurso, type TursoConfig } from "../../src/config/turso.ts";
import type { Databases } from "../../src/config/database.ts";
import { parseDatabases } from "../../src/config/load.ts";
import { NightjarError } from "../../src/errors/errors.ts";
import { lifecycleRules } from "../../src/plan/lifecycle.ts";
import { LOCK_NAME, lockRules } from "../../src/plan/locks.ts";
import type { Wrangler } from "./wrangler.ts";

/** The parts of wrangler.toml that setup and deploy need. */
export interface Project {
  databases: Databases;
  bucket: string;
  copy: CopyConfig | undefined;
  turso: TursoConfig | undefined;
  channels: readonly Channel[];
}

/** A function that writes a file for wrangler and returns its path. */
export type WriteRules = (name: "lifecycle" | "lock", text: string) => Promise<string>;

/** The tables of [vars]. */
const SECTIONS = ["DATABASES", "TURSO", "COPY", "ALERTS", "ACCESS"] as const;

/**
 * Read wrangler.toml, and refuse mistakes before anything is deployed.
 *
 * @throws NightjarError `CONFIG_INVALID` for a mistake in DATABASES, TURSO, COPY, ALERTS or ACCESS, or outside of [vars]
 */
export function readProject(toml: string): Project {
  const file = parse(toml) as Partial<Record<(typeof SECTIONS)[number], unknown>> & {
    vars?: Partial<Record<(typeof SECTIONS)[number], unknown>>;
    send_email?: { name: string }[];
    r2_buckets?: { binding: string; bucket_name: string }[];
    triggers?: { crons?: string[] };
  };
  refuseCrons(file.triggers?.crons ?? []);
  for (const name of SECTIONS)
    if (file[name] !== undefined)
      throw new NightjarError(
        "CONFIG_INVALID",
        `wrangler.toml has a table [${name}…], which the Worker would never see.`,
        { hint: `Write [vars.${name}…] instead.` },
      );
  const bucket = file.r2_buckets?.find(({ binding }) => binding === "BUCKET");
  if (bucket === undefined) throw new Error("wrangler.toml needs the R2 binding BUCKET.");
  const copy = parseCopy(file.vars?.COPY);
  if (copy !== undefined && "bucket" in copy)
    refuseUnboundCopy(file.r2_buckets!, bucket.bucket_name);
  const hasEmail = file.send_email?.some(({ name }) => name === "EMAIL") ?? false;
  const channels = readChannels(file.vars?.ALERTS, undefined, hasEmail);
  const { mistakes } = readAccess(file.vars?.ACCESS);
  const { turso, mistakes: tursoMistakes } = readTurso(file.vars?.TURSO, undefined);
  mistakes.push(...channels.flatMap((channel) => channel.mistakes), ...tursoMistakes);
  if (mistakes.length > 0) throw configError(mistakes);
  const databases = parseDatabases(file.vars?.DATABASES);
  return { databases, bucket: bucket.bucket_name, copy, turso, channels };
}

/** Return the entries of DATABASES as they are written, without what has Nightjar write to a server by itself. */
export function databasesWithoutRefresh(toml: string): Record<string, object> {
  const { vars } = parse(toml) as { vars: { DATABASES: unknown } };
  const { value } = tableOrJson("DATABASES", vars.DATABASES);
  return Object.fromEntries(
    Object.entries(value as Record<string, object>).map(([name, entry]) => [
      name,
      Object.fromEntries(Object.entries(entry).filter(([key]) => key !== "refresh")),
    ]),
  );
}

/** The Worker takes the cron of every minute as the schedule's, and any other as the night's. */
function refuseCrons(crons: readonly string[]): void {
  if (!crons.includes("* * * * *"))
    throw new Error(
      'wrangler.toml needs the cron "* * * * *", which starts the backups that are due.',
    );
  if (crons.length < 2)
    throw new Error(
      'wrangler.toml needs a second cron, like "30 3 * * *", which prunes and reconciles every night.',
    );
}

function refuseUnboundCopy(
  buckets: readonly { binding: string; bucket_name: string }[],
  first: string,
): void {
  const second = buckets.find(({ binding }) => binding === "COPY_BUCKET");
  if (second === undefined)
    throw new Error('COPY.bucket = "binding" needs the R2 binding COPY_BUCKET in wrangler.toml.');
  if (second.bucket_name === first)
    throw new Error(
      "COPY_BUCKET must be another bucket than BUCKET: a copy beside its original is none.",
    );
}

/**
 * Bring the account in line with wrangler.toml: the Worker (wrangler creates a bucket and a D1 that are
 * missing), the catalog's tables, the bucket's locks and its lifecycle. Safe to repeat.
 *
 * @param prepare runs before the new lifecycle is set; gets the Worker's address if wrangler reported it
 * @returns that address
 */
export async function deploy(
  wrangler: Wrangler,
  project: Project,
  write: WriteRules,
  prepare: (url: string | undefined) => Promise<void>,
): Promise<string | undefined> {
  const { bucket, databases, turso } = project;
  const output = await wrangler.run(["deploy"]);
  const url = /https:\/\/[\w.-]+\.workers\.dev/.exec(output)?.[0];
  await wrangler.run(["d1", "migrations", "apply", "DB", "--remote"]);
  await setLocks(wrangler, project, write);
  await prepare(url);
  const file = await write("lifecycle", json(lifecycleRules(databases, turso?.allSettings())));
  await wrangler.run(["r2", "bucket", "lifecycle", "set", bucket, "--file", file, "--force"]);
  return url;
}

/**
 * Set the bucket's lock rules if any database has `lock`, and remove ours if none has one any more. If the
 * bucket has no rules of ours, locks that somebody else set are left alone.
 */
async function setLocks(
  wrangler: Wrangler,
  { bucket, databases }: Project,
  write: WriteRules,
): Promise<void> {
  const rules = lockRules(databases);
  if (rules.rules.length === 0) {
    const { ok, output } = await wrangler.ask(["r2", "bucket", "lock", "list", bucket]);
    if (!ok) throw new Error(`wrangler r2 bucket lock list failed:\n${output}`);
    if (!output.includes(LOCK_NAME)) return;
  }
  const file = await write("lock", json(rules));
  await wrangler.run(["r2", "bucket", "lock", "set", bucket, "--file", file, "--force"]);
}

function json(rules: object): string {
  return `${JSON.stringify(rules, undefined, 2)}\n`;
}

/** Cloudflare's code for a Worker that is not there (yet). */
const NO_SUCH_WORKER = "10007";

/** List the secrets that the configuration needs and the Worker does not have, deployed or not. */
export async function missingSecrets(wrangler: Wrangler, project: Project): Promise<string[]> {
  const { ok, output } = await wrangler.ask(["secret", "list", "--format", "json"]);
  if (!ok && !output.includes(NO_SUCH_WORKER))
    throw new Error(`wrangler secret list failed:\n${output}`);
  // wrangler may print notices around its JSON.
  const secrets = output.slice(output.indexOf("["), output.lastIndexOf("]") + 1);
  const there = ok ? (JSON.parse(secrets) as { name: string }[]).map(({ name }) => name) : [];
  return neededSecrets(project).filter((name) => !there.includes(name));
}

/** List the secrets that the configuration needs. */
export function neededSecrets({ databases, copy, turso, channels }: Project): string[] {
  const entries = [...databases.values()];
  const named = [
    ...entries.flatMap((entry) => namedSecrets(entry.name, entry)),
    ...(turso?.secrets ?? []),
    ...[copySecrets(copy), ...channels.map(channelSecrets)].flat(),
  ];
  const heartbeats = entries.flatMap(({ heartbeatSecret }) => heartbeatSecret ?? []);
  const own = ["ADMIN_TOKEN", "SIGNING_KEY"];
  return [...new Set([...own, ...named.map(({ name }) => name), ...heartbeats])];
}
