import * as v from "valibot";
import { isTable, issueKeys, issueMessage } from "../errors/schema-issue.ts";
import { MINUTE } from "../plan/duration.ts";
import { matchesPattern } from "../plan/names/pattern.ts";
import type { DatabaseConfig } from "./database.ts";
import {
  duration,
  isPrivateWay,
  noSecret,
  PLATFORM_API,
  secretName,
  type Secrets,
  sizeMistake,
  tableOrJson,
  textIn,
} from "./fields.ts";
import type { ConfigMistake } from "./mistakes.ts";
import {
  everySetting,
  type Listed,
  readSettings,
  sectionSecrets,
  settingsFor,
  type SharedSettings,
} from "./turso-settings.ts";

/** Why a database of the organization is not protected. */
export type NotProtected = "group" | "not-included" | "excluded";

/** An organization of Turso whose databases are protected without an entry for each. */
export interface TursoConfig {
  readonly organization: string;
  /** The NAME of the secret that holds the token of the platform API. */
  readonly tokenSecret: string;
  /** The groups whose databases are protected; undefined for all. */
  readonly groups: readonly string[] | undefined;
  /** Patterns of names, `*` is any text. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Interval at which the list is read, ms. */
  readonly everyMs: number;
  /** The address of the platform API, without a trailing slash. */
  readonly api: string;
  /** Every secret that the section names, by the key that names it. */
  readonly secrets: readonly { readonly path: string; readonly name: string }[];
  /** The section as it is written, for comparing. */
  readonly written: unknown;
  /** Return the settings that databases may have: the defaults, and these with each override by itself. */
  allSettings(): DatabaseConfig[];
  /** Return why a database is not protected; undefined for one that is. */
  protects(database: Pick<Listed, "name" | "group">): NotProtected | undefined;
  /** Return the settings of a database that is protected. Those that cannot be have their mistakes in them. */
  settingsOf(database: Listed): DatabaseConfig;
}

const ORGANIZATION = 'must be the slug of your organization, like "acme" of `turso org list`';
const GROUPS = 'must be a list of groups, like ["default"]; leave it out for all';
const PATTERN = 'must be a list of names, like ["acme-*"], in which * is any text';
const EVERY = 'a duration of at least 5m, like "1h"';
const API =
  "must be an https:// address without credentials, query or fragment; http:// only on this machine";

/** More requests than this would tell nothing that is newer. */
const SHORTEST_EVERY = 5 * MINUTE;

const pattern = v.pipe(v.string(PATTERN), v.regex(/^[A-Za-z0-9._*-]{1,100}$/, PATTERN));

const ENTRIES = {
  organization: v.pipe(
    v.string(ORGANIZATION),
    v.regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, ORGANIZATION),
  ),
  token: secretName("TURSO_PLATFORM_TOKEN", "Turso's platform API"),
  groups: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(GROUPS), v.regex(/^[^\p{Cc}/]{1,100}$/u, GROUPS)), GROUPS),
      v.minLength(1, GROUPS),
    ),
  ),
  include: v.optional(v.pipe(v.array(pattern, PATTERN), v.minLength(1, PATTERN)), ["*"]),
  exclude: v.optional(v.array(pattern, PATTERN), []),
  every: v.optional(
    v.pipe(
      duration(EVERY),
      v.check((ms) => ms >= SHORTEST_EVERY, `must be ${EVERY}`),
    ),
    "1h",
  ),
  api: v.optional(
    v.pipe(
      v.string(API),
      v.check((text) => {
        if (!URL.canParse(text) || /[?#]/.test(text)) return false;
        const url = new URL(text);
        return isPrivateWay(url) && url.username + url.password === "";
      }, API),
      v.transform((text) => text.replace(/\/+$/, "")),
    ),
    PLATFORM_API,
  ),
  defaults: v.optional(v.unknown()),
  overrides: v.optional(v.unknown()),
};

const TABLE = "must be a table with `organization` and `token`";
const schema = v.pipe(
  v.custom<Record<string, unknown>>(isTable, TABLE),
  v.strictObject(ENTRIES, TABLE),
);

/**
 * Read a `TURSO` value: a table from wrangler.toml, or the same as a JSON string; an empty one is none. One
 * mistake is a mistake of the whole section, so that nothing is done by half of its rules.
 *
 * @param env the secrets; undefined where they are not known
 */
export function readTurso(
  raw: unknown,
  env: Secrets | undefined,
): { turso: TursoConfig | undefined; mistakes: ConfigMistake[] } {
  const refused = (...mistakes: ConfigMistake[]) => ({ turso: undefined, mistakes });
  if (raw === undefined || raw === "") return refused();
  const { value, mistakes: unreadable } = tableOrJson("TURSO", raw);
  if (unreadable.length > 0) return refused(...unreadable);
  const tooLarge = sizeMistake("TURSO", raw, "write fewer overrides, with patterns");
  if (tooLarge !== undefined) return refused(tooLarge);
  const result = v.safeParse(schema, value);
  const [defaults, overrides] = isTable(value) ? [value["defaults"], value["overrides"]] : [];
  const { settings, mistakes } = readSettings(defaults, overrides, env);
  if (!result.success)
    mistakes.unshift(
      ...result.issues.map((issue) => ({
        path: ["TURSO", ...issueKeys(issue)].join("."),
        fix: issueMessage(issue, Object.keys(ENTRIES)),
      })),
    );
  else if (env !== undefined && (textIn(env, result.output.token)?.trim() ?? "") === "")
    mistakes.unshift(noSecret("TURSO.token", result.output.token));
  if (!result.success || mistakes.length > 0) return refused(...mistakes);
  return { turso: settle(result.output, settings), mistakes };
}

function settle(written: v.InferOutput<typeof schema>, settings: SharedSettings): TursoConfig {
  const { organization, token, groups, include, exclude, every, api } = written;
  const fits = (patterns: readonly string[], name: string) =>
    patterns.some((one) => matchesPattern(one, name));
  return {
    ...{ organization, groups, include, exclude, api },
    tokenSecret: token,
    everyMs: every,
    secrets: [{ path: "TURSO.token", name: token }, ...sectionSecrets(settings)],
    protects({ name, group }) {
      if (groups !== undefined && !groups.includes(group)) return "group";
      if (!fits(include, name)) return "not-included";
      return fits(exclude, name) ? "excluded" : undefined;
    },
    written: { ...written, settings },
    allSettings: () => everySetting(settings),
    settingsOf: (database) => settingsFor(settings, new URL(api).protocol, database),
  };
}
