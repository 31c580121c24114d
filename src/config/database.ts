import * as v from "valibot";
import { NightjarError } from "../errors/errors.ts";
import { isTable, issueKeys, issueMessage } from "../errors/schema-issue.ts";
import { DAY, DURATION_FORM, parseDuration } from "../plan/duration.ts";
import { DATABASE_NAME_FORM, isDatabaseName } from "../plan/names/database-name.ts";
import { scheduleMistake } from "../plan/schedule.ts";
import { DEFAULT_RETENTION, FOREVER, type Retention, TIERS } from "../plan/tier.ts";
import { sendsTokenInClear } from "../plan/transport.ts";
import { ALERT_KEYS, alertsSchema, settleAlerts } from "./alert-limits.ts";
import { ENCRYPTION_ENTRIES, encryptionMistake } from "./encryption.ts";
import { duration, namespaceName, secretName, serverUrl } from "./fields.ts";
import { type ConfigMistake, wordsOfMistakes } from "./mistakes.ts";
import { REFRESH_KEYS, refreshSchema } from "./refresh.ts";
import { SANITIZE_KEYS, sanitizeSchema, settleSanitize, SUBSET_KEYS } from "./sanitize.ts";

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

/** Age of a tier, ms. Less than a day would delete backups before anybody could use them. */
const age = v.pipe(
  v.string(AGE),
  v.check((text) => text === "forever" || parseDuration(text) !== undefined, AGE),
  v.check((text) => text === "forever" || parseDuration(text)! >= DAY, refuseShort),
  v.transform((text) => (text === "forever" ? FOREVER : parseDuration(text)!)),
);

/** Reach of the page log into the past, ms. */
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

/** The keys of the tables in an entry. */
const TABLE_KEYS: Readonly<Record<string, readonly string[]>> = {
  retain: RETAIN_KEYS,
  alerts: ALERT_KEYS,
  sanitize: SANITIZE_KEYS,
  "sanitize.subset": SUBSET_KEYS,
  refresh: REFRESH_KEYS,
};

const SPOT_CHECK = "must be a whole number of pages from 0 to 1024";
const ATTEMPTS = "must be a whole number from 1 to 12";

/** An alarm more often than this would cost more than it gives, ms. */
const SHORTEST_FOLLOW = 10_000;
const FOLLOW = 'a duration of at least 10s, like "1m"';
/** Reach of the page log unless `retain.log` says otherwise, ms. */
const DEFAULT_LOG = 7 * DAY;

/** The first Sunday of the month. */
const DEFAULT_DRILL = "0 5 * * SUN#1";
const CHECKS = 'must be a list of queries, like ["select count(*) > 0 from users"]';

/** Most time after its scheduled moment that a run may start, ms. */
const LONGEST_SPREAD = DAY;
const SPREAD = 'a duration of at most 24h, like "1h"';

/** The keys of an entry of `DATABASES`. */
export const ENTRIES = {
  url: serverUrl,
  token: v.optional(token),
  encryptionKey: v.optional(secretName("SHOP_KEY", "the database's server")),
  namespace: v.optional(namespaceName),
  schedule: v.optional(schedule, "0 0 * * *"),
  spread: v.optional(
    v.pipe(
      duration(SPREAD),
      v.check((ms) => ms <= LONGEST_SPREAD, `must be ${SPREAD}`),
    ),
  ),
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
    v.picklist(["auto", "pages", "rows", "dump"], 'must be "auto", "pages", "rows" or "dump"'),
    "auto",
  ),
  spotCheck: v.optional(
    v.pipe(
      v.number(SPOT_CHECK),
      v.integer(SPOT_CHECK),
      v.minValue(0, SPOT_CHECK),
      v.maxValue(1024, SPOT_CHECK),
    ),
    64,
  ),
  follow: v.optional(
    v.pipe(
      duration(FOLLOW),
      v.check((ms) => ms >= SHORTEST_FOLLOW, `must be ${FOLLOW}`),
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
  protected: v.optional(
    v.boolean("must be true if a second person must approve what destroys something of it"),
    false,
  ),
  rpo: v.optional(duration()),
  rto: v.optional(duration()),
  alerts: v.optional(alertsSchema, {}),
  sanitize: v.optional(sanitizeSchema),
  refresh: v.optional(refreshSchema),
  heartbeat: v.optional(secretName("SHOP_HEARTBEAT", "the service that watches it")),
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

/** Settle what an entry leaves open, and give each setting the name and unit that the rest of Nightjar uses. */
function settle(entry: Entry) {
  const { log = DEFAULT_LOG, "keep-last": keepLast = 0, ...ages } = entry.retain;
  const chosen = Object.entries(ages).filter(([, kept]) => kept !== undefined);
  return {
    /** http or https, without a trailing slash. */
    url: entry.url,
    /** For self-hosted servers with namespaces that the host name does not tell. */
    namespace: entry.namespace,
    /** The NAME of the secret that holds the token. */
    tokenSecret: entry.token,
    /** The NAME of the secret that holds the key with which its server encrypts it. */
    encryptionKeySecret: entry.encryptionKey,
    /** Five-field cron, UTC. */
    schedule: entry.schedule,
    /**
     * Most time after its scheduled moment that a run starts, ms; how much of it is told by the database's
     * name. Undefined: it is told by the number of databases with the same schedule.
     */
    spreadMs: entry.spread,
    retention: { ...DEFAULT_RETENTION, ...(Object.fromEntries(chosen) as Retention) },
    /** Number of the newest good backups that are kept whatever their age. */
    keepLast: keepLast,
    /** Time for which R2 itself refuses to delete a backup, ms; undefined if it does not. */
    lockMs: entry.lock,
    badge: entry.badge,
    /** Recovery point and time that are asked for, ms; undefined where nothing is. */
    rpoMs: entry.rpo,
    rtoMs: entry.rto,
    alerts: settleAlerts(entry.alerts),
    /** The rules by which values are masked; undefined where there are none. */
    sanitize: entry.sanitize && settleSanitize(entry.sanitize),
    /** The database that gets each of its scheduled backups; undefined where none does. */
    refresh: entry.refresh,
    /** The NAME of the secret that holds the address of its heartbeat. */
    heartbeatSecret: entry.heartbeat,
    /** True if a second person must approve an overwrite, an erase, an unpin, and a prune of its pins. */
    protected: entry.protected,
    /** Time for which the source may send (almost) nothing before the run fails, ms. */
    stallMs: entry.stall,
    /** Attempts of a run before it fails. */
    attempts: entry.attempts,
    /** `auto`: pages wherever the server offers them, else the dump. */
    capture: entry.capture,
    /** Pages of each backup that are read again from the server and compared. */
    spotCheck: entry.spotCheck,
    /** Interval at which the page log follows the source, ms; undefined if only backups pull. */
    followMs: entry.follow,
    /** Reach of the page log into the past, ms. */
    logMs: log,
    /** Schedule of the drill of the newest backup, whatever its size: five-field cron, UTC. */
    drill: entry.drill,
    /** Queries whose answer must be true in every backup that is restored in a drill. */
    checks: entry.checks as readonly string[],
    /** True if its backups have a second copy where `COPY` says. */
    copy: entry.copy,
    /** Public keys that its backups are encrypted to; none where they are not. */
    recipients: (entry.recipients ?? []) as readonly string[],
    /** The NAME of the secret that holds the identity for drills. */
    identitySecret: entry.identity,
  };
}

/** One database under protection, as the rest of Nightjar sees it: nothing optional is left open. */
export interface DatabaseConfig extends Readonly<ReturnType<typeof settle>> {
  readonly name: string;
  /**
   * Mistakes in the entry or its secrets; none in a sound one. Nightjar sends nothing to the server of a
   * database with mistakes, and deletes nothing of it. A key with a mistake has its default.
   */
  readonly mistakes: readonly ConfigMistake[];
  /** True if `retain` has a mistake: R2's lifecycle rules may still have been made of other ages. */
  readonly agesUnknown: boolean;
  /** True if values as they are take the scope `download:raw`; also if nobody can tell, because of a mistake. */
  readonly rawNeedsScope: boolean;
  /** Turso's group of a database that was found through TURSO: its tokens are made there, and read only. */
  readonly group?: string;
  /** When such a database was first listed, ms: what is older is of another one with its name. */
  readonly firstSeenAt?: number;
}

export type Databases = ReadonlyMap<string, DatabaseConfig>;

const entrySchema = v.strictObject(ENTRIES, "must be a table with at least `url`");
type Entry = v.InferOutput<typeof entrySchema>;

/** Find a secret that would cross a network in clear. */
function clearTextMistake(
  path: string,
  {
    url,
    token: name,
    encryptionKey,
  }: { url: string; token?: string | undefined; encryptionKey?: string | undefined },
): ConfigMistake | undefined {
  const sent = name === undefined ? encryptionKey : name;
  if (sent === undefined || !sendsTokenInClear(url)) return undefined;
  const what = name === undefined ? "key" : "token";
  const fix = `must start with libsql:// or https://: http:// would send the ${what} in ${sent} in clear`;
  return { path: `${path}.url`, fix };
}

/** Say what is wrong in the entry at `path`, which may have the keys `allowed`. */
export function entryMistake(
  path: string,
  issue: v.BaseIssue<unknown>,
  allowed: readonly string[] = Object.keys(ENTRIES),
): ConfigMistake {
  const keys = issueKeys(issue);
  const known = TABLE_KEYS[keys.slice(0, -1).join(".")] ?? allowed;
  return { path: [path, ...keys].join("."), fix: issueMessage(issue, known) };
}

/** Read the keys of an entry. In a wrong one the sound keys count; every other key has its default. */
function readEntry(
  name: string,
  value: unknown,
  path: string,
): { entry: Entry; mistakes: ConfigMistake[] } {
  const mistakes = isDatabaseName(name) ? [] : [{ path, fix: `must be ${DATABASE_NAME_FORM}` }];
  const result = v.safeParse(entrySchema, value);
  if (result.success) return { entry: result.output, mistakes };
  mistakes.push(...result.issues.map((issue) => entryMistake(path, issue)));
  const table = isTable(value) ? value : {};
  const sound = Object.entries(ENTRIES)
    .filter(([key, schema]) => v.is(schema as v.GenericSchema, table[key]))
    .map(([key]) => [key, table[key]]);
  const rest = { url: NO_ADDRESS, copy: false, ...Object.fromEntries(sound) } as unknown;
  return { entry: v.parse(entrySchema, rest), mistakes };
}

/** The address of a database without a sound one; it leads nowhere (RFC 6761). */
export const NO_ADDRESS = "https://no-address.invalid";

/** Find what does not go together in an entry whose keys are sound each for itself. */
function contradiction(path: string, entry: Entry): ConfigMistake | undefined {
  if (entry.follow !== undefined && (entry.capture === "dump" || entry.capture === "rows"))
    return {
      path: `${path}.follow`,
      fix: 'needs pages: set `capture` to "auto" or "pages", or remove `follow`',
    };
  return encryptionMistake(path, entry) ?? clearTextMistake(path, entry);
}

/**
 * Read one entry of `DATABASES`. A wrong one has its mistakes in it.
 *
 * @param path where it is written, for its mistakes
 */
export function readDatabase(
  name: string,
  written: unknown,
  path = `DATABASES.${name}`,
): DatabaseConfig {
  const { entry, mistakes } = readEntry(name, written, path);
  const contradicts = contradiction(path, entry);
  if (contradicts !== undefined) mistakes.push(contradicts);
  const agesUnknown = mistakes.some(
    (one) => one.path === path || one.path.startsWith(`${path}.retain`),
  );
  const rawNeedsScope =
    entry.sanitize?.required === true || mistakes.some((one) => mayHideSanitize(path, one.path));
  return { name, ...settle(entry), mistakes, agesUnknown, rawNeedsScope };
}

/** Return true for a mistake in `sanitize`, or in a key that may have been meant for it. */
function mayHideSanitize(entry: string, path: string): boolean {
  const [key = ""] = path.slice(entry.length + 1).split(".");
  return key === "sanitize" || !Object.hasOwn(ENTRIES, key);
}

/** Return true if the entry or a secret is wrong: then nothing is done for the database, and nothing deleted. */
export function isMisconfigured({
  mistakes = [],
}: {
  readonly mistakes?: readonly unknown[] | undefined;
}): boolean {
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
