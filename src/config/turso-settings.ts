import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import { DATABASE_NAME_FORM, isDatabaseName } from "../plan/names/database-name.ts";
import { matchesPattern } from "../plan/names/pattern.ts";
import { sendsTokenInClear } from "../plan/transport.ts";
import {
  type DatabaseConfig,
  ENTRIES,
  entryMistake,
  NO_ADDRESS,
  readDatabase,
} from "./database.ts";
import type { Secrets } from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";
import { namedSecrets, secretMistakes } from "./secret-values.ts";

/** A database as Turso lists it. */
export interface Listed {
  readonly name: string;
  readonly hostname: string;
  readonly group: string;
  /** The cipher with which Turso keeps it encrypted under a key of the customer's; null if it does not. */
  readonly cipher: string | null;
}

type Table = Readonly<Record<string, unknown>>;

/** Keys of entries that count for every database found, and for those that a pattern names. */
export interface SharedSettings {
  readonly defaults: Table;
  /** In the order in which they count: patterns as they are written, then exact names. */
  readonly overrides: readonly { readonly pattern: string; readonly settings: Table }[];
}

const NAMED = "name the database in DATABASES, whose entry wins";

/** Keys of an entry that cannot be written for many databases, and what to do instead. */
const REFUSED = {
  url: `must not be here: Turso tells the address. For another one ${NAMED}`,
  token: `must not be here: Nightjar makes tokens for an hour with \`token\` of TURSO. For a token of your own ${NAMED}`,
  namespace: `must not be here: Turso's databases have none. For a server of your own ${NAMED}`,
  refresh: `must not be here: it replaces another database. To refresh from this one ${NAMED}`,
  heartbeat: `must not be here: each database needs an address of its own. For one with a heartbeat ${NAMED}`,
  lock: `must not be here: R2's lock rules are by tier and name, which a pattern is not. For a lock ${NAMED}`,
};

const shared = v.strictObject(
  {
    ...ENTRIES,
    ...(Object.fromEntries(
      Object.entries(REFUSED).map(([key, fix]) => [key, v.optional(v.never(fix))]),
    ) as Record<keyof typeof REFUSED, v.OptionalSchema<v.NeverSchema<string>, undefined>>),
  },
  "must be a table of keys of a database",
);
const ALLOWED = Object.keys(ENTRIES).filter((key) => !(key in REFUSED));

const OVERRIDES =
  'must be a table of names or patterns, like { "acme-*" = { schedule = "0 3 * * *" } }';
const NAME = "must be a name or a pattern, in which * is any text";

/** Where runs of a fleet would all start at once, they are spread over an hour. */
const BEFORE_DEFAULTS = { spread: "1h" };

/**
 * Read `TURSO.defaults` and `TURSO.overrides`.
 *
 * @param env the secrets; undefined where they are not known
 */
export function readSettings(
  rawDefaults: unknown = {},
  rawOverrides: unknown = {},
  env: Secrets | undefined,
): { settings: SharedSettings; mistakes: ConfigMistake[] } {
  const mistakes: ConfigMistake[] = [];
  const read = (path: string, raw: unknown): Table => {
    const found = tableMistakes(path, raw, env);
    mistakes.push(...found);
    return found.length === 0 ? (raw as Table) : {};
  };
  const own = read("TURSO.defaults", rawDefaults);
  const defaults = { ...BEFORE_DEFAULTS, ...own };
  // Each key is sound by itself: what is left does not go together. Of overrides only a database's name
  // tells which of them come together.
  mistakes.push(...readDatabase("any", { url: NO_ADDRESS, ...own }, "TURSO.defaults").mistakes);
  const overrides: { pattern: string; settings: Table }[] = [];
  if (!isTable(rawOverrides)) mistakes.push({ path: "TURSO.overrides", fix: OVERRIDES });
  else
    for (const [pattern, raw] of Object.entries(rawOverrides)) {
      const path = `TURSO.overrides.${pattern}`;
      if (!/^[A-Za-z0-9._*-]{1,100}$/.test(pattern)) mistakes.push({ path, fix: NAME });
      overrides.push({ pattern, settings: read(path, raw) });
    }
  const [patterns, names] = [
    overrides.filter(isPattern),
    overrides.filter((one) => !isPattern(one)),
  ];
  return { settings: { defaults, overrides: [...patterns, ...names] }, mistakes };
}

function isPattern({ pattern }: { pattern: string }): boolean {
  return pattern.includes("*");
}

/** Find what is wrong with keys that are written for many databases, each by itself, and with their secrets. */
function tableMistakes(path: string, raw: unknown, env: Secrets | undefined): ConfigMistake[] {
  if (!isTable(raw)) return [{ path, fix: "must be a table of keys of a database" }];
  const result = v.safeParse(shared, raw);
  if (!result.success) return result.issues.map((issue) => entryMistake(path, issue, ALLOWED));
  return env === undefined ? [] : secretMistakes(path, entryOf(raw), env);
}

/** Read keys that are sound each by itself as those of one database. */
function entryOf(settings: Table): DatabaseConfig {
  return readDatabase("any", { url: NO_ADDRESS, ...settings });
}

/** Return the settings that databases may have: the defaults, and these with each override by itself. */
export function everySetting({ defaults, overrides }: SharedSettings): DatabaseConfig[] {
  return [{}, ...overrides.map(({ settings }) => settings)].map((settings) =>
    entryOf({ ...defaults, ...settings }),
  );
}

/** List the secrets that the settings name, by the key that names each. */
export function sectionSecrets({
  defaults,
  overrides,
}: SharedSettings): { path: string; name: string }[] {
  const tables = [
    { path: "TURSO.defaults", settings: defaults },
    ...overrides.map(({ pattern, settings }) => ({ path: `TURSO.overrides.${pattern}`, settings })),
  ];
  return tables.flatMap(({ path, settings }) => namedSecrets(path, entryOf(settings)));
}

/**
 * Return the settings of a database that Turso lists: the defaults, then every override that its name fits,
 * key by key.
 *
 * @param protocol that of the platform API: a stand-in without TLS lists servers without
 */
export function settingsFor(
  { defaults, overrides }: SharedSettings,
  protocol: string,
  { name, hostname, cipher }: Listed,
): DatabaseConfig {
  const fitting = overrides.filter(({ pattern }) => matchesPattern(pattern, name));
  const merged: Table = Object.assign({}, defaults, ...fitting.map(({ settings }) => settings));
  const url = `${protocol === "http:" ? "http" : "libsql"}://${hostname}`;
  const path = `TURSO.overrides.${name}`;
  const database = readDatabase(name, { url, ...merged }, path);
  const mistakes: ConfigMistake[] = database.mistakes.filter((one) => one.path !== path);
  if (!isDatabaseName(name)) {
    const fix = `${name} can have no backups, which need ${DATABASE_NAME_FORM}: exclude it, and give it an entry of DATABASES under another name`;
    mistakes.push({ path: "TURSO.exclude", fix });
  }
  if (sendsTokenInClear(url)) {
    const fix = `${name} is at ${hostname}, where its token would be sent in clear: use an https:// address`;
    mistakes.push({ path: "TURSO.api", fix });
  }
  if (cipher !== null && database.encryptionKeySecret === undefined) {
    const fix = `Turso keeps it encrypted with a key of yours: set encryptionKey in TURSO.overrides.${name}`;
    mistakes.push({ path: `${path}.encryptionKey`, fix });
  }
  return { ...database, mistakes };
}
