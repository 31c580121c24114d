import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import { encode } from "../format/bytes/bytes.ts";
import { lifecycleRules, MAX_LIFECYCLE_RULES } from "../plan/lifecycle.ts";
import { type DatabaseConfig, type Databases, readDatabase, refuseMistakes } from "./database.ts";
import { type AccessConfig, readAccess } from "./access.ts";
import { addressMistakes, type Channel, readChannels } from "./channels.ts";
import { identitySecretMistake } from "./encryption.ts";
import { noSecret, type Secrets, tableOrJson, textIn } from "./fields.ts";
import { configError, type ConfigMistake } from "./mistakes.ts";
import { refreshMistakes } from "./refresh.ts";
import { type CopyConfig, copySecrets, readCopy } from "./second-copy.ts";
import type { TursoConfig } from "./turso.ts";

export interface Config {
  readonly databases: Databases;
  readonly adminToken: string;
  readonly signingKey: string;
  /** The signing key of before, whose links and badges still work; undefined if there is none. */
  readonly previousSigningKey: string | undefined;
  /** Signing keys of before, under which entries of the erasure list may have been made. */
  readonly formerSigningKeys: readonly string[];
  /** The second store; undefined if none is configured. */
  readonly copy: CopyConfig | undefined;
  /**
   * The source's token, or undefined where the database has none.
   *
   * @throws NightjarError `DATABASE_MISCONFIGURED`
   */
  token(database: DatabaseConfig): string | undefined;
  /**
   * The customer's key of a database that its server keeps encrypted, in base64; undefined where it has none.
   *
   * @throws NightjarError as `token`
   */
  encryptionKey(database: DatabaseConfig): string | undefined;
  /** Who may sign in on the page by Cloudflare Access; undefined if nobody. */
  readonly access: AccessConfig | undefined;
  /** Where alerts are sent to. */
  readonly channels: readonly Channel[];
  /** Opens `/metrics` and nothing else; undefined if there is none. */
  readonly metricsToken: string | undefined;
  /** The organization whose databases are protected; undefined if none is, or its settings are wrong. */
  readonly turso: TursoConfig | undefined;
  /** What is wrong with its settings. */
  readonly tursoMistakes: readonly ConfigMistake[];
  /** Mistakes in ACCESS, METRICS_TOKEN, channels, heartbeats and refreshes. They stop no backup. */
  readonly watchMistakes: readonly ConfigMistake[];
  /** Return the value of a secret of a channel or of a heartbeat; undefined if there is none. */
  secret(name: string): string | undefined;
  /** Return the identity that opens the database's backups in drills; undefined if there is none. */
  identity(database: DatabaseConfig): string | undefined;
  /** Return the key under which values of the database are masked; undefined if there is none. */
  sanitizeKey(database: DatabaseConfig): string | undefined;
  /** Runs that may be at work at once, of all databases. */
  readonly runsAtOnce: number;
  /** `debug`: log every request too. */
  readonly logLevel: "info" | "debug";
  /** The keys of the store that backups are copied to; undefined where it needs none. */
  readonly copyKeys: { accessKeyId: string; secretAccessKey: string } | undefined;
}

const databasesSchema = v.custom<Record<string, unknown>>(
  isTable,
  'must be a table of databases, like { shop = { url = "libsql://…" } }, none of them named constructor or prototype',
);

/** Bytes of one variable (https://developers.cloudflare.com/workers/platform/limits/#environment-variables). */
const LARGEST_VARIABLE = 5 * 1024;

/**
 * The databases of a `DATABASES` value: a table from wrangler.toml, or the same as a JSON string.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function parseDatabases(raw: unknown): Databases {
  const { databases, mistakes } = readDatabases(raw);
  for (const database of databases.values()) mistakes.push(...database.mistakes);
  mistakes.push(...[...refreshMistakes(databases).values()].flat());
  if (mistakes.length > 0) throw configError(mistakes);
  return databases;
}

/** Read every entry; `mistakes` are those that concern all databases. */
function readDatabases(raw: unknown): { databases: Databases; mistakes: ConfigMistake[] } {
  const databases = new Map<string, DatabaseConfig>();
  const { value, mistakes: unreadable } = tableOrJson("DATABASES", raw ?? {});
  if (unreadable.length > 0) return { databases, mistakes: unreadable };
  const result = v.safeParse(databasesSchema, value);
  if (!result.success)
    return {
      databases,
      mistakes: result.issues.map(({ message }) => ({ path: "DATABASES", fix: message })),
    };
  const bytes = encode(typeof raw === "string" ? raw : JSON.stringify(value)).length;
  if (bytes > LARGEST_VARIABLE) {
    const fix = `has ${bytes} bytes, and Cloudflare takes ${LARGEST_VARIABLE} in one variable: spread the databases over two Nightjars, each a Worker with a bucket of its own`;
    return { databases, mistakes: [{ path: "DATABASES", fix }] };
  }

  for (const [name, written] of Object.entries(result.output))
    databases.set(name, readDatabase(name, written));
  if (lifecycleRules(databases).rules.length > MAX_LIFECYCLE_RULES) {
    const fix = `${databases.size} databases need more than the ${MAX_LIFECYCLE_RULES} lifecycle rules that R2 allows on one bucket: spread them over two Nightjars`;
    return { databases, mistakes: [{ path: "DATABASES", fix }] };
  }
  return { databases, mistakes: [] };
}

/** Runs at once by default, and at the most: Cloudflare runs 10,000 Workflows (Workflows limits). */
const DEFAULT_RUNS = 50;
const MOST_RUNS = 5000;

/** Characters that a secret of Nightjar's own needs, so that nobody finds it by trying. */
const SHORTEST_SECRET = 24;
/** A key of 16 or 32 bytes in base64. */
const ENCRYPTION_KEY = /^[A-Za-z0-9+/_-]{22,44}={0,2}$/;

/**
 * The whole configuration, from the Worker's variables and secrets.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function loadConfig(env: Secrets): Config {
  const { databases: entries, mistakes } = readDatabases(env["DATABASES"]);
  const { copy, mistakes: copyMistakes } = readCopy(env["COPY"], env["COPY_BUCKET"]);
  mistakes.push(...copyMistakes);
  const secret = (name: string, path: string, wrong = mistakes): string => {
    const value = textIn(env, name);
    if (value === undefined) wrong.push(noSecret(path, name));
    return value ?? "";
  };
  const own = (name: string, wrong = mistakes, path = name): string => {
    const value = secret(name, path, wrong);
    if (value !== "" && value.length < SHORTEST_SECRET)
      wrong.push({
        path,
        fix: `has ${value.length} characters, and needs ${SHORTEST_SECRET}: make one with \`openssl rand -base64 32\``,
      });
    return value;
  };
  const keyFrom = (secretName: string, name: string, wrong: ConfigMistake[]): string => {
    const path = `DATABASES.${name}.encryptionKey`;
    const key = secret(secretName, path, wrong).trim();
    if (key !== "" && !ENCRYPTION_KEY.test(key))
      wrong.push({ path, fix: `${secretName} must be the database's key in base64` });
    return key;
  };
  const adminToken = own("ADMIN_TOKEN");
  const signingKey = own("SIGNING_KEY");
  const previousSigningKey =
    env["SIGNING_KEY_PREVIOUS"] === undefined ? undefined : own("SIGNING_KEY_PREVIOUS");
  const watchMistakes: ConfigMistake[] = [];
  const metricsToken =
    env["METRICS_TOKEN"] === undefined ? undefined : own("METRICS_TOKEN", watchMistakes);
  const tokens = new Map<string, string>();
  const encryptionKeys = new Map<string, string>();
  const identities = new Map<string, string>();
  const sanitizeKeys = new Map<string, string>();
  const databases = new Map<string, DatabaseConfig>();
  const wrongRefreshes = refreshMistakes(entries);
  watchMistakes.push(...[...wrongRefreshes.values()].flat());
  for (const [name, database] of entries) {
    const { tokenSecret, encryptionKeySecret, identitySecret, heartbeatSecret, sanitize } =
      database;
    const wrong = [...database.mistakes];
    const refresh = wrongRefreshes.has(name) ? undefined : database.refresh;
    databases.set(name, { ...database, refresh, mistakes: wrong });
    if (tokenSecret !== undefined)
      tokens.set(name, secret(tokenSecret, `DATABASES.${name}.token`, wrong));
    if (encryptionKeySecret !== undefined)
      encryptionKeys.set(name, keyFrom(encryptionKeySecret, name, wrong));
    if (heartbeatSecret !== undefined)
      watchMistakes.push(...addressMistakes(`DATABASES.${name}.heartbeat`, heartbeatSecret, env));
    if (sanitize !== undefined)
      sanitizeKeys.set(name, own(sanitize.keySecret, wrong, `DATABASES.${name}.sanitize.key`));
    if (identitySecret === undefined) continue;
    const path = `DATABASES.${name}.identity`;
    const identity = secret(identitySecret, path, wrong).trim();
    const mistaken = identity === "" ? [] : identitySecretMistake(path, identitySecret, identity);
    wrong.push(...mistaken);
    if (identity !== "" && mistaken.length === 0) identities.set(name, identity);
  }
  const [accessKeyId, secretAccessKey] = copySecrets(copy).map(({ name, path }) =>
    secret(name, path),
  );
  const { access, mistakes: accessMistakes } = readAccess(env["ACCESS"]);
  watchMistakes.push(...accessMistakes);
  const channels = readChannels(env["ALERTS"], env, typeof env["EMAIL"] === "object");
  if (textIn(env, "HEARTBEAT") !== undefined)
    watchMistakes.push(...addressMistakes("HEARTBEAT", "HEARTBEAT", env));
  const logLevel = env["LOG_LEVEL"] ?? "info";
  if (logLevel !== "info" && logLevel !== "debug")
    mistakes.push({ path: "LOG_LEVEL", fix: 'must be "info" or "debug"' });
  const runsAtOnce = Number(env["RUNS_AT_ONCE"] ?? DEFAULT_RUNS);
  if (!Number.isInteger(runsAtOnce) || runsAtOnce < 1 || runsAtOnce > MOST_RUNS)
    mistakes.push({ path: "RUNS_AT_ONCE", fix: `must be a whole number from 1 to ${MOST_RUNS}` });
  if (mistakes.length > 0) throw configError(mistakes);
  return {
    runsAtOnce,
    logLevel: logLevel as Config["logLevel"],
    databases,
    adminToken,
    signingKey,
    previousSigningKey,
    formerSigningKeys: [
      ...(previousSigningKey === undefined ? [] : [previousSigningKey]),
      ...wordsOf(env["FORMER_SIGNING_KEYS"]),
    ],
    copy,
    token(database) {
      refuseMistakes(database);
      return tokens.get(database.name);
    },
    encryptionKey(database) {
      refuseMistakes(database);
      return encryptionKeys.get(database.name);
    },
    turso: undefined,
    tursoMistakes: [],
    access,
    channels,
    metricsToken: (metricsToken?.length ?? 0) < SHORTEST_SECRET ? undefined : metricsToken,
    watchMistakes: [...watchMistakes, ...channels.flatMap((channel) => channel.mistakes)],
    secret: (name) => textIn(env, name),
    identity: ({ name }) => identities.get(name),
    sanitizeKey(database) {
      refuseMistakes(database);
      return sanitizeKeys.get(database.name);
    },
    copyKeys:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey },
  };
}

/** The words of an optional secret. */
function wordsOf(value: unknown): string[] {
  return typeof value === "string" ? value.split(/\s+/).filter((word) => word !== "") : [];
}
