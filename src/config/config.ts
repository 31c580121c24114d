import * as v from "valibot";
import { type CopyConfig, copySecrets, readCopy } from "./second-copy.ts";
import { ENCRYPTION_ENTRIES, encryptionMistake, identitySecretMistake } from "./encryption.ts";
import {
  configError,
  duration,
  type ConfigMistake,
  namespaceName,
  secretName,
  serverUrl,
  tableOrJson,
} from "./parts.ts";
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
  /** Questions in SQL whose answer must be true in every backup that is restored in a drill. */
  readonly checks: readonly string[];
  /** Whether its backups are copied to where `COPY` says. */
  readonly copy: boolean;
  /** Public keys that its backups are encrypted to; none where they are not. */
  readonly recipients: readonly string[];
  /** The NAME of the secret that holds the identity for drills. */
  readonly identitySecret: string | undefined;
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
  /** The source's token, or undefined where the database has none. */
  token(database: DatabaseConfig): string | undefined;
  /** What opens the database's backups in drills; undefined where nothing here can. */
  identity(database: DatabaseConfig): string | undefined;
  /** The keys of the store that backups are copied to; undefined where it needs none. */
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
const CHECKS = 'must be a list of questions in SQL, like ["select count(*) > 0 from users"]';

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
      v.maxLength(20, "must be 20 questions at the most"),
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

const databasesSchema = v.pipe(
  v.custom<Record<string, unknown>>(
    isTable,
    'must be a table of databases, like { shop = { url = "libsql://…" } }, none of them named constructor or prototype',
  ),
  v.record(
    v.pipe(
      v.string(),
      v.regex(
        /^[a-z0-9][a-z0-9_-]{0,49}$/,
        "must be a name of up to 50 lower-case letters, digits, - and _",
      ),
    ),
    v.strictObject(ENTRIES, "must be a table with at least `url`"),
  ),
);

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

function describe(issue: v.BaseIssue<unknown>): ConfigMistake {
  const keys = issueKeys(issue);
  const path = ["DATABASES", ...keys].join(".");
  const known = keys.length > 2 ? RETAIN_KEYS : Object.keys(ENTRIES);
  return { path, fix: issueMessage(issue, known) };
}

/**
 * The databases of a `DATABASES` value: a table from wrangler.toml, or the same as a JSON string.
 *
 * @throws NightjarError `CONFIG_INVALID` that names every mistake by its path and how to fix it
 */
export function parseDatabases(raw: unknown): Databases {
  const { databases, mistakes } = readDatabases(raw);
  if (mistakes.length > 0) throw configError(mistakes);
  return databases;
}

function readDatabases(raw: unknown): { databases: Databases; mistakes: ConfigMistake[] } {
  const databases = new Map<string, DatabaseConfig>();
  const { value, mistakes: unreadable } = tableOrJson("DATABASES", raw ?? {});
  if (unreadable.length > 0) return { databases, mistakes: unreadable };
  const result = v.safeParse(databasesSchema, value);
  if (!result.success) return { databases, mistakes: result.issues.map(describe) };
  const bytes = encode(typeof raw === "string" ? raw : JSON.stringify(value)).length;
  if (bytes > LARGEST_VARIABLE) {
    const fix = `has ${bytes} bytes, and Cloudflare takes ${LARGEST_VARIABLE} in one variable: spread the databases over two Nightjars, each a Worker with a bucket of its own`;
    return { databases, mistakes: [{ path: "DATABASES", fix }] };
  }

  for (const [name, entry] of Object.entries(result.output)) {
    if (entry.follow !== undefined && entry.capture === "dump") {
      const path = `DATABASES.${name}.follow`;
      const fix = 'needs pages: set `capture` to "auto" or "pages", or remove `follow`';
      return { databases, mistakes: [{ path, fix }] };
    }
    const mistake =
      encryptionMistake(`DATABASES.${name}`, entry) ?? clearTextMistake(`DATABASES.${name}`, entry);
    if (mistake !== undefined) return { databases, mistakes: [mistake] };
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
  const { databases, mistakes } = readDatabases(env["DATABASES"]);
  const { copy, mistakes: copyMistakes } = readCopy(env["COPY"], env["COPY_BUCKET"]);
  mistakes.push(...copyMistakes);
  const secret = (name: string, path: string): string => {
    const value = env[name];
    if (typeof value === "string" && value !== "") return value;
    mistakes.push({
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
  for (const { name, tokenSecret, identitySecret } of databases.values()) {
    if (tokenSecret !== undefined) tokens.set(name, secret(tokenSecret, `DATABASES.${name}.token`));
    if (identitySecret === undefined) continue;
    const path = `DATABASES.${name}.identity`;
    const identity = secret(identitySecret, path).trim();
    identities.set(name, identity);
    if (identity !== "") mistakes.push(...identitySecretMistake(path, identitySecret, identity));
  }
  const [accessKeyId, secretAccessKey] = copySecrets(copy).map(({ name, path }) =>
    secret(name, path),
  );
  if (mistakes.length > 0) throw configError(mistakes);
  return {
    databases,
    adminToken,
    signingKey,
    formerSigningKeys: wordsOf(env["FORMER_SIGNING_KEYS"]),
    copy,
    token: ({ name }) => tokens.get(name),
    identity: ({ name }) => identities.get(name),
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
