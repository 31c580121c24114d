import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import { parseRule, type Rule, RULE_FORM, type Rules } from "../format/masks/rule.ts";
import { lowerName } from "../format/tables/selection.ts";
import type { DatabaseConfig, Databases } from "./database.ts";
import { secretName } from "./fields.ts";

const RULES = 'must be a table of tables, like { users = { id = "keep", email = "fake: email" } }';
const COLUMNS = 'must be "drop", or a table of columns and rules, like { email = "fake: email" }';

const rule = v.pipe(
  v.string(RULE_FORM),
  v.check((text) => parseRule(text) !== undefined, RULE_FORM),
  v.transform((text) => parseRule(text)!),
);

/** SQLite's names are the same whatever the case of their letters: two rules for one would contradict. */
const isDistinct = (table: Readonly<Record<string, unknown>>): boolean =>
  new Set(Object.keys(table).map(lowerName)).size === Object.keys(table).length;
const DISTINCT = "must name each once, whatever the case of its letters";

const columns = v.pipe(
  v.custom<Record<string, unknown>>(isTable, COLUMNS),
  v.check(isDistinct, DISTINCT),
  v.record(v.string(), rule),
);

const drop = v.literal("drop", COLUMNS);

/** The table `sanitize` of a database. */
export const sanitizeSchema = v.strictObject(
  {
    key: secretName("SHOP_SANITIZE_KEY", "anybody who may read the Worker's secrets"),
    unknown: v.optional(v.picklist(["refuse", "keep"], 'must be "refuse" or "keep"'), "refuse"),
    required: v.optional(
      v.boolean("must be true if values as they are take the scope download:raw"),
      false,
    ),
    rules: v.optional(
      v.pipe(
        v.custom<Record<string, unknown>>(isTable, RULES),
        v.check(isDistinct, DISTINCT),
        v.record(
          v.string(),
          v.lazy((of): typeof columns | typeof drop => (typeof of === "string" ? drop : columns)),
        ),
      ),
      {},
    ),
  },
  "must be a table with `key` and `rules`",
);
export const SANITIZE_KEYS: readonly string[] = Object.keys(sanitizeSchema.entries);

/** The rules by which values of a database are masked. */
export interface Sanitize extends Rules {
  /** The NAME of the secret under which masks are made. */
  readonly keySecret: string;
  /** True if values as they are take the scope `download:raw`. */
  readonly required: boolean;
}

/** Settle the table `sanitize`. */
export function settleSanitize({
  key,
  unknown,
  required,
  rules,
}: v.InferOutput<typeof sanitizeSchema>): Sanitize {
  const tables = new Map<string, "drop" | ReadonlyMap<string, Rule>>();
  for (const [table, of] of Object.entries(rules))
    tables.set(
      lowerName(table),
      of === "drop"
        ? of
        : new Map(Object.entries(of).map(([column, one]) => [lowerName(column), one] as const)),
    );
  return { keySecret: key, required, keepUnknown: unknown === "keep", tables };
}

/**
 * Return true if values of a database as they are take the scope `download:raw`. Of a database that is not
 * configured (any more) nobody knows: they do if those of any other one do.
 */
export function rawNeedsScope(databases: Databases, name: string): boolean {
  const database: DatabaseConfig | undefined = databases.get(name);
  if (database !== undefined) return database.rawNeedsScope;
  return [...databases.values()].some((one) => one.rawNeedsScope);
}
