import * as v from "valibot";
import type { DatabaseConfig, Databases } from "./database.ts";
import type { ConfigMistake } from "./mistakes.ts";

export const AFTER = ["backup", "verify", "drill"] as const;

/** The table `refresh` of a database. */
export const refreshSchema = v.strictObject(
  {
    into: v.string("must be the name of another database of DATABASES"),
    after: v.optional(v.picklist(AFTER, 'must be "backup", "verify" or "drill"'), "drill"),
    sanitize: v.optional(
      v.boolean("must be false if the target gets the values as they are"),
      true,
    ),
  },
  'must be a table, like { into = "staging" }',
);
export const REFRESH_KEYS: readonly string[] = Object.keys(refreshSchema.entries);

/** The database that gets each scheduled backup of another one. */
export interface Refresh {
  /** Its name. */
  readonly into: string;
  /** What a backup must have passed first; `backup` is nothing more than being stored. */
  readonly after: (typeof AFTER)[number];
  /** True if masks are written in place of values. */
  readonly sanitize: boolean;
}

/**
 * Find the refreshes that cannot be, or that would destroy what they must not: each is not done, and stops
 * no backup.
 *
 * @returns mistakes by the name of the database whose refresh is wrong
 */
export function refreshMistakes(databases: Databases): Map<string, ConfigMistake[]> {
  const found = new Map<string, ConfigMistake[]>();
  for (const database of databases.values()) {
    const fixes = database.refresh === undefined ? [] : fixesOf(database, databases);
    if (fixes.length > 0) found.set(database.name, fixes);
  }
  return found;
}

function fixesOf(database: DatabaseConfig, databases: Databases): ConfigMistake[] {
  const { name, refresh, sanitize, recipients, capture } = database;
  const mistakes: ConfigMistake[] = [];
  const add = (key: string, fix: string) =>
    mistakes.push({ path: `DATABASES.${name}.refresh.${key}`, fix });
  const intoFix = fixOfInto(database, databases);
  if (intoFix !== undefined) add("into", intoFix);
  if (recipients.length > 0)
    add(
      "into",
      "cannot be: the backups are encrypted, and Nightjar cannot read them. Remove `refresh` or `recipients`",
    );
  if (refresh!.sanitize && sanitize === undefined)
    add(
      "sanitize",
      "needs rules: give the database a table `sanitize`, or set it to false to restore the values as they are",
    );
  else if (refresh!.sanitize && capture === "dump")
    add("sanitize", 'needs backups by pages: set `capture` to "auto" or "pages"');
  if (!refresh!.sanitize && sanitize?.required === true)
    add("sanitize", "must be true, as `sanitize.required` is");
  return mistakes;
}

function fixOfInto(
  { name, refresh, ...self }: DatabaseConfig,
  databases: Databases,
): string | undefined {
  const { into } = refresh!;
  const all = [...databases.values()];
  const target = databases.get(into);
  if (into === name) return "must be another database: this one would replace itself";
  if (target === undefined)
    return `must be the name of a database of DATABASES, and there is no ${into}`;
  if (isSame(target, self))
    return `must have another address: ${into} is the same database as ${name}`;
  const twin = all.find((one) => one.name !== into && isSame(one, target));
  if (twin !== undefined)
    return `must be a database of its own: ${into} is the same as ${twin.name}, which would be replaced`;
  const other = all.find((one) => one.name !== name && one.refresh?.into === into);
  if (other !== undefined)
    return `must be a database that no other refresh replaces: ${other.name} has ${into} too`;
  if (target.refresh !== undefined)
    return `must be a database without a \`refresh\` of its own: ${into} would pass on what it is given`;
  const before = all.find((one) => one.refresh?.into === name);
  if (before !== undefined)
    return `cannot be: ${name} is itself replaced, by the refresh of ${before.name}`;
  return undefined;
}

type Address = Pick<DatabaseConfig, "url" | "namespace">;

/** An address of `.invalid` is that of an entry without a sound one. */
function isSame(one: Address, other: Address): boolean {
  const place = ({ url }: Address) => new URL(url);
  return (
    place(one).href === place(other).href &&
    one.namespace === other.namespace &&
    !place(one).hostname.endsWith(".invalid")
  );
}
