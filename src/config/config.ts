import * as v from "valibot";
import { type CopyConfig, copySecrets, readCopy } from "./second-copy.ts";
import { ENCRYPTION_ENTRIES, encryptionMistake, identitySecretMistake } from "./encryption.ts";
import {
  configError,
  type ConfigMistake,
  duration,
  namespaceName,
  secretName,
  serverUrl,
  tableOrJson,
  wordsOfMistakes,
} from "./parts.ts";
import { NightjarError } from "../errors/errors.ts";
import { DAY, DURATION_FORM, parseDuration } from "../plan/duration.ts";
import { encode } from "../format/bytes/bytes.ts";
import { lifecycleRules, MAX_LIFECYCLE_RULES } from "../plan/lifecycle.ts";
import { scheduleMistake } from "../plan/schedule.ts";
import { sendsTokenInClear } from "../plan/transport.ts";
import { DEFAULT_RETENTION, FOREVER, type Retention, TIERS } from "../plan/tier.ts";
import { isTable, issueKeys, issueMessage } from "../errors/schema-issue.ts";

/** One database under protection, as the rest of Nightjar sees it: nothing optional is left open. */
export interface DatabaseConfig {
  readonly name: string;
  /** http or https, without a trailing slash. */
  readonly url: string;
  /** For self-hosted servers with namespaces that the host name does not tell. */
  readonly namespace: string | undefined;
  /** The NAME of the secret that holds the token. */
  readonly tokenSecret: string | undefined;
  /** Five-field cron, UTC. */
  readonly schedule: string;
  readonly retention: Retention;
  /** So many of the newest good backups are kept whatever their age. */
  readonly keepLast: number;
  /** How long R2 itself refuses to delete a backup, ms; undefined where it does not. */
  readonly lockMs: number | undefined;
  readonly badge: "public" | "private";
  /** How long the source may send (almost) nothing before the run fails, ms. */
  readonly stallMs: number;
  /** How often a run tries before it fails. */
  readonly attempts: number;
  /** `auto`: pages wherever the server offers them, else the dump. */
  readonly capture: "auto" | "pages" | "dump";
  /** How often the page log follows the source, ms; undefined where only backups pull. */
  readonly followMs: number | undefined;
  /** How far back the page log reaches, ms. */
  readonly logMs: number;
  /** When the newest backup's restore is rehearsed whatever its size: five-field cron, UTC. */
  readonly drill: string;
  /** Queries whose answer must be true in every backup that is restored in a drill. */
  readonly checks: readonly string[];
  /** Whether its backups are copied to where `COPY` says. */
  readonly copy: boolean;
  /** Public keys that its backups are encrypted to; none where they are not. */
  readonly recipients: readonly string[];
  /** The NAME of the secret that holds the identity for drills. */
  readonly identitySecret: string | undefined;
  /**
   * What is wrong with the entry or its secrets; empty in a sound one. Nothing is asked of the server of a
   * database with mistakes, and nothing of it is deleted. Where a key is wrong, its default stands in.
   */
  readonly mistakes: readonly ConfigMistake[];
}

export type Databases = ReadonlyMap<string, DatabaseConfig>;

export interface Config {
  readonly databases: Databases;
  readonly adminToken: string;
  readonly signingKey: string;
  /** Signing keys of before, under which entries of the erasure list may have been made. */
  readonly formerSigningKeys: readonly string[];
  /** Where backups are copied to; undefined where they are not. */
  readonly copy: CopyConfig | undefined;
  /**
   * The source's token, or undefined where the database has none.
   *
   * @throws NightjarError `DATABASE_MISCONFIGURED`
   */
  token(database: DatabaseConfig): string | undefined;
  /** What opens the database's backups in drills; undefined where nothing here can. */
  identity(database: DatabaseConfig): string | undefined;
  /** The keys of the store that backups are copied to; undefined where it needs none. */
  /** Whether lines for who looks for a fault are logged. */
  readonly logLevel: "info" | "debug";
  readonly copyKeys: { accessKeyId: string; secretAccessKey: string } | undefined;
}

const token = secretName("SHOP_TOKEN", "the database's server");

const schedule = v.pipe(
  v.string('must be a cron expression with five fields, like "0 0 * * *"'),
  v.check(
    (text) => scheduleMistake(text) === undefined,
    (issue) =>
      `must be a cron expression with five fields (UTC), like "0 0 * * *": ${scheduleMistake(issue.input)}`,
  ),
);

const AGE = `must be ${DURATION_FORM}, or "forever"`;

/** How long a tier is kept, ms. Less than a day would delete backups before anybody could use them. */
const age = v.pipe(
  v.string(AGE),
  v.check((text) => text === "forever" || parseDuration(text) !== undefined, AGE),
  v.check((text) => text === "forever" || parseDuration(text)! >= DAY, refuseShort),
  v.transform((text) => (text === "forever" ? FOREVER : parseDuration(text)!)),
);

/** How far back the page log reaches, ms. */
const logAge = v.pipe(
  v.string(`must be ${DURATION_FORM}`),
  v.check((text) => parseDuration(text) !== undefined, `must be ${DURATION_FORM}`),
  v.check((text) => parseDuration(text)! >= DAY, refuseShort),
  v.transform((text) => parseDuration(text)!),
);

/** `12m` is twelve minutes, and who writes it means months. */
function refuseShort({ input }: { readonly input: string }): string {
  const guess = input.endsWith("m") ? `: did you mean ${input}o (months)?` : "";
  return `must be at least 1d, and ${input} is less${guess}`;
}

const KEEP_LAST = "must be a whole number from 1 to 1000";
const RETAIN_KEYS = [...TIERS, "keep-last", "log"];

const ATTEMPTS = "must be a whole number from 1 to 12";

/** An alarm more often than this would cost more than it gives, ms. */
const SHORTEST_FOLLOW = 10_000;
const FOLLOW = 'must be a duration of at least 10s, like "1m"';
/** How far back the page log reaches unless `retain.log` says otherwise. */
const DEFAULT_LOG = 7 * DAY;

/** The first Sunday of the month. */
const DEFAULT_DRILL = "0 5 * * SUN#1";
const CHECKS = 'must be a list of queries, like ["select count(*) > 0 from users"]';

const ENTRIES = {
  url: serverUrl,
  token: v.optional(token),
  namespace: v.optional(namespaceName),
  schedule: v.optional(schedule, "0 0 * * *"),
  retain: v.optional(
    v.strictObject(
      {
        ...v.entriesFromList(TIERS, v.optional(age)),
        "keep-last": v.optional(
          v.pipe(
            v.number(KEEP_LAST),
            v.integer(KEEP_LAST),
            v.minValue(1, KEEP_LAST),
            v.maxValue(1000, KEEP_LAST),
          ),
        ),
        log: v.optional(logAge),
      },
      `must be a table of tiers and ages, like { daily = "30d" }; keys: ${RETAIN_KEYS.join(", ")}`,
    ),
    {},
  ),
  lock: v.optional(duration()),
  capture: v.optional(
    v.picklist(["auto", "pages", "dump"], 'must be "auto", "pages" or "dump"'),
    "auto",
  ),
  follow: v.optional(
    v.pipe(
      duration(FOLLOW),
      v.check((ms) => ms >= SHORTEST_FOLLOW, FOLLOW),
    ),
  ),
  drill: v.optional(schedule, DEFAULT_DRILL),
  checks: v.optional(
    v.pipe(
      v.array(
        v.pipe(v.string(CHECKS), v.regex(/^\s*(select|pragma|explain|with|values)\b/i, CHECKS)),
        CHECKS,
      ),
      v.maxLength(20, "must be 20 queries at the most"),
    ),
    [],
  ),
  copy: v.optional(v.boolean("must be false to leave the database out of the second copy"), true),
  ...ENCRYPTION_ENTRIES,
  badge: v.optional(v.picklist(["public", "private"], 'must be "public" or "private"'), "private"),
  stall: v.optional(duration(), "60s"),
  attempts: v.optional(
    v.pipe(
      v.number(ATTEMPTS),
      v.integer(ATTEMPTS),
      v.minValue(1, ATTEMPTS),
      v.maxValue(12, ATTEMPTS),
    ),
    4,
  ),
};

const databasesSchema = v.custom<Record<string, unknown>>(
  isTable,
  'must be a table of databases, like { shop = { url = "libsql://…" } }, none of them named constructor or prototype',
);

const entrySchema = v.strictObject(ENTRIES, "must be a table with at least `url`");
type Entry = v.InferOutput<typeof entrySchema>;

const NAME = /^[a-z0-9][a-z0-9_-]{0,49}$/;
const NAME_FORM = "must be a name of up to 50 lower-case letters, digits, - and _";

/** Bytes of one variable (https://developers.cloudflare.com/workers/platform/limits/#environment-variables). */
const LARGEST_VARIABLE = 5 * 1024;

/** A token that would cross a network in clear. */
function clearTextMistake(
  path: string,
  { url, token: name }: { url: string; token?: string | undefined },
): ConfigMistake | undefined {
  if (name === undefined || !sendsTokenInClear(url)) return undefined;
  const fix = `must start with libsql:// or https://: http:// would send the token in ${name} in clear`;
  return { path: `${path}.url`, fix };
}

function describe(name: string, issue: v.BaseIssue<unknown>): ConfigMistake {
  const keys = issueKeys(issue);
  const path = ["DATABASES", name, ...keys].join(".");
  const known = keys.length > 1 ? RETAIN_KEYS : Object.keys(ENTRIES);
  return { path, fix: issueMessage(issue, known) };
}

/** Read one entry. Of a wrong one each sound key counts, and the default of every other. */
function readEntry(name: string, value: unknown): { entry: Entry; mistakes: ConfigMistake[] } {
  const mistakes = NAME.test(name) ? [] : [{ path: `DATABASES.${name}`, fix: NAME_FORM }];
  const result = v.safeParse(entrySchema, value);
  if (result.success) return { entry: result.output, mistakes };
  mistakes.push(...result.issues.map((issue) => describe(name, issue)));
  const table = isTable(value) ? value : {};
  const sound = Object.entries(ENTRIES)
    .filter(([key, schema]) => v.is(schema as v.GenericSchema, table[key]))
    .map(([key]) => [key, table[key]]);
  const rest = { url: NO_ADDRESS, copy: false, ...Object.fromEntries(sound) } as unknown;
  return { entry: v.parse(entrySchema, rest), mistakes };
}

/** What a database without a sound address has; it leads nowhere (RFC 6761). */
const NO_ADDRESS = "https://no-address.invalid";

/** What is wrong with an entry whose keys are sound each for itself. */
function contradiction(name: string, entry: Entry): ConfigMistake | undefined {
  const path = `DATABASES.${name}`;
  if (entry.follow !== undefined && entry.capture === "dump")
    return {
      path: `${path}.follow`,
      fix: 'needs pages: set `capture` to "auto" or "pages", or remove `follow`',
    };
  return encryptionMistake(path, entry) ?? clearTextMistake(path, entry);
}

/**
 * The databases of a `DATABASES` value: a table from wrangler.toml, or the same as a JSON string.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function parseDatabases(raw: unknown): Databases {
  const { databases, mistakes } = readDatabases(raw);
  for (const database of databases.values()) mistakes.push(...database.mistakes);
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

  for (const [name, written] of Object.entries(result.output)) {
    const { entry, mistakes } = readEntry(name, written);
    const contradicts = contradiction(name, entry);
    if (contradicts !== undefined) mistakes.push(contradicts);
    const { log = DEFAULT_LOG, "keep-last": keepLast = 0, ...ages } = entry.retain;
    const chosen = Object.entries(ages).filter(([, kept]) => kept !== undefined);
    databases.set(name, {
      name,
      url: entry.url,
      namespace: entry.namespace,
      tokenSecret: entry.token,
      schedule: entry.schedule,
      retention: { ...DEFAULT_RETENTION, ...(Object.fromEntries(chosen) as Retention) },
      keepLast,
      lockMs: entry.lock,
      badge: entry.badge,
      stallMs: entry.stall,
      attempts: entry.attempts,
      capture: entry.capture,
      followMs: entry.follow,
      logMs: log,
      drill: entry.drill,
      checks: entry.checks,
      copy: entry.copy,
      recipients: entry.recipients ?? [],
      identitySecret: entry.identity,
      mistakes,
    });
  }
  if (lifecycleRules(databases).rules.length > MAX_LIFECYCLE_RULES) {
    const fix = `${databases.size} databases need more than the ${MAX_LIFECYCLE_RULES} lifecycle rules that R2 allows on one bucket: spread them over two Nightjars`;
    return { databases, mistakes: [{ path: "DATABASES", fix }] };
  }
  return { databases, mistakes: [] };
}

/** Characters that a secret of Nightjar's own needs, so that nobody finds it by trying. */
const SHORTEST_SECRET = 24;

/**
 * The whole configuration, from the Worker's variables and secrets.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function loadConfig(env: Readonly<Record<string, unknown>>): Config {
  const { databases: entries, mistakes } = readDatabases(env["DATABASES"]);
  const { copy, mistakes: copyMistakes } = readCopy(env["COPY"], env["COPY_BUCKET"]);
  mistakes.push(...copyMistakes);
  const secret = (name: string, path: string, wrong = mistakes): string => {
    const value = env[name];
    if (typeof value === "string" && value !== "") return value;
    wrong.push({
      path,
      fix: `there is no secret ${name}: run \`npx wrangler secret put ${name}\`, or put it in .dev.vars for local use`,
    });
    return "";
  };
  const own = (name: string): string => {
    const value = secret(name, name);
    if (value !== "" && value.length < SHORTEST_SECRET)
      mistakes.push({
        path: name,
        fix: `has ${value.length} characters, and needs ${SHORTEST_SECRET}: make one with \`openssl rand -base64 32\``,
      });
    return value;
  };
  const adminToken = own("ADMIN_TOKEN");
  const signingKey = own("SIGNING_KEY");
  const tokens = new Map<string, string>();
  const identities = new Map<string, string>();
  const databases = new Map<string, DatabaseConfig>();
  for (const [name, database] of entries) {
    const { tokenSecret, identitySecret } = database;
    const wrong = [...database.mistakes];
    databases.set(name, { ...database, mistakes: wrong });
    if (tokenSecret !== undefined)
      tokens.set(name, secret(tokenSecret, `DATABASES.${name}.token`, wrong));
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
  const logLevel = env["LOG_LEVEL"] ?? "info";
  if (logLevel !== "info" && logLevel !== "debug")
    mistakes.push({ path: "LOG_LEVEL", fix: 'must be "info" or "debug"' });
  if (mistakes.length > 0) throw configError(mistakes);
  return {
    logLevel: logLevel as Config["logLevel"],
    databases,
    adminToken,
    signingKey,
    formerSigningKeys: wordsOf(env["FORMER_SIGNING_KEYS"]),
    copy,
    token(database) {
      refuseMistakes(database);
      return tokens.get(database.name);
    },
    identity: ({ name }) => identities.get(name),
    copyKeys:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey },
  };
}

/** Whether a database's entry or a secret of it is wrong: then nothing is done for it, and nothing deleted. */
export function isMisconfigured({ mistakes }: Pick<DatabaseConfig, "mistakes">): boolean {
  return mistakes.length > 0;
}

/**
 * Refuse work on a database whose configuration is wrong.
 *
 * @throws NightjarError `DATABASE_MISCONFIGURED` that names every mistake by its path and how to fix it
 */
export function refuseMistakes(database: DatabaseConfig): void {
  if (!isMisconfigured(database)) return;
  const { name, mistakes } = database;
  throw new NightjarError(
    "DATABASE_MISCONFIGURED",
    `The configuration of ${name} is wrong, and nothing is done for it until that is fixed. ${wordsOfMistakes(mistakes)}`,
  );
}

/** The words of an optional secret. */
function wordsOf(value: unknown): string[] {
  return typeof value === "string" ? value.split(/\s+/).filter((word) => word !== "") : [];
}
