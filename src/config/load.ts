import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import { COMMON_RULES, lifecycleRules, MAX_LIFECYCLE_RULES } from "../plan/lifecycle.ts";
import { type DatabaseConfig, type Databases, readDatabase, refuseMistakes } from "./database.ts";
import { type AccessConfig, readAccess } from "./access.ts";
import { addressMistakes, type Channel, readChannels } from "./channels.ts";
import { identityFix } from "./encryption.ts";
import { noSecret, type Secrets, sizeMistake, tableOrJson, textIn } from "./fields.ts";
import { configError, type ConfigMistake } from "./mistakes.ts";
import { refreshMistakes } from "./refresh.ts";
import { type CopyConfig, copySecrets, readCopy } from "./second-copy.ts";
import { ownSecretMistakes, secretMistakes, SHORTEST_SECRET } from "./secret-values.ts";
import { readTurso, type TursoConfig } from "./turso.ts";

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
  /**
   * Which databases of an organization of Turso are protected; undefined if none is configured, or if
   * `tursoMistakes` has any.
   */
  readonly turso: TursoConfig | undefined;
  /** Mistakes in TURSO. With any, nobody knows what it protects: then nothing of it may be taken for removed. */
  readonly tursoMistakes: readonly ConfigMistake[];
  /** The token of Turso's platform API; undefined where `turso` is. */
  readonly platformToken: string | undefined;
  /** Who may sign in on the page by Cloudflare Access; undefined if nobody. */
  readonly access: AccessConfig | undefined;
  /** Where alerts are sent to. */
  readonly channels: readonly Channel[];
  /** Opens `/metrics` and nothing else; undefined if there is none. */
  readonly metricsToken: string | undefined;
  /**
   * Mistakes in ACCESS, METRICS_TOKEN, TURSO, channels, heartbeats and refreshes. They stop no backup of a
   * database of DATABASES.
   */
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
  const SPREAD_THEM =
    "spread the databases over two Nightjars, each a Worker with a bucket of its own";
  const tooLarge = sizeMistake("DATABASES", raw, SPREAD_THEM);
  if (tooLarge !== undefined) return { databases, mistakes: [tooLarge] };

  for (const [name, written] of Object.entries(result.output))
    databases.set(name, readDatabase(name, written));
  if (lifecycleRules(databases).rules.length + COMMON_RULES > MAX_LIFECYCLE_RULES) {
    const fix = `${databases.size} databases need more than the ${MAX_LIFECYCLE_RULES} lifecycle rules that R2 allows on one bucket: spread them over two Nightjars`;
    return { databases, mistakes: [{ path: "DATABASES", fix }] };
  }
  return { databases, mistakes: [] };
}

/** Runs at once by default, and at the most: Cloudflare runs 10,000 Workflows (Workflows limits). */
const DEFAULT_RUNS = 50;
const MOST_RUNS = 5000;

/**
 * The whole configuration, from the Worker's variables and secrets.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function loadConfig(env: Secrets): Config {
  const { databases: entries, mistakes } = readDatabases(env["DATABASES"]);
  const { copy, mistakes: copyMistakes } = readCopy(env["COPY"], env["COPY_BUCKET"]);
  mistakes.push(...copyMistakes);
  const own = (name: string, wrong = mistakes): string => {
    wrong.push(...ownSecretMistakes(name, name, env));
    return textIn(env, name) ?? "";
  };
  const adminToken = own("ADMIN_TOKEN");
  const signingKey = own("SIGNING_KEY");
  const previousSigningKey =
    env["SIGNING_KEY_PREVIOUS"] === undefined ? undefined : own("SIGNING_KEY_PREVIOUS");
  const watchMistakes: ConfigMistake[] = [];
  const metricsToken =
    env["METRICS_TOKEN"] === undefined ? undefined : own("METRICS_TOKEN", watchMistakes);
  const databases = new Map<string, DatabaseConfig>();
  const wrongRefreshes = refreshMistakes(entries);
  watchMistakes.push(...[...wrongRefreshes.values()].flat());
  for (const [name, database] of entries) {
    const path = `DATABASES.${name}`;
    const refresh = wrongRefreshes.has(name) ? undefined : database.refresh;
    const wrong = [...database.mistakes, ...secretMistakes(path, database, env)];
    databases.set(name, { ...database, refresh, mistakes: wrong });
    if (database.heartbeatSecret !== undefined)
      watchMistakes.push(...addressMistakes(`${path}.heartbeat`, database.heartbeatSecret, env));
  }
  const { turso, mistakes: tursoMistakes } = readTurso(env["TURSO"], env);
  watchMistakes.push(...tursoMistakes);
  const valueOf = (name: string | undefined) =>
    name === undefined ? undefined : textIn(env, name);
  const [accessKeyId, secretAccessKey] = copySecrets(copy).map(({ name, path }) => {
    if (valueOf(name) === undefined) mistakes.push(noSecret(path, name));
    return valueOf(name);
  });
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
      return valueOf(database.tokenSecret);
    },
    encryptionKey(database) {
      refuseMistakes(database);
      return valueOf(database.encryptionKeySecret)?.trim();
    },
    turso,
    tursoMistakes,
    platformToken: valueOf(turso?.tokenSecret)?.trim(),
    access,
    channels,
    metricsToken: (metricsToken?.length ?? 0) < SHORTEST_SECRET ? undefined : metricsToken,
    watchMistakes: [...watchMistakes, ...channels.flatMap((channel) => channel.mistakes)],
    secret: (name) => textIn(env, name),
    identity({ identitySecret }) {
      const value = valueOf(identitySecret)?.trim();
      return value !== undefined && identityFix(identitySecret!, value) === undefined
        ? value
        : undefined;
    },
    sanitizeKey(database) {
      refuseMistakes(database);
      return valueOf(database.sanitize?.keySecret);
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
