import * as v from "valibot";
import { isTable } from "../errors/schema-issue.ts";
import { parseRule, type Rule, RULE_FORM, type Rules } from "../format/masks/rule.ts";
import { parsePlace, parseRoot, ROOT_FORM, type Subset } from "../format/masks/subset.ts";
import { lowerName } from "../format/tables/selection.ts";
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

const SUBSET_ROWS = "must be a whole number from 1 to 100000";
const REFERENCES = 'must be a table of columns, like { "orders.email" = "users.email" }';

const subset = v.strictObject(
  {
    root: v.pipe(
      v.string(ROOT_FORM),
      v.check((text) => parseRoot(text) !== undefined, ROOT_FORM),
      v.transform((text) => parseRoot(text)!),
    ),
    rows: v.optional(
      v.pipe(
        v.number(SUBSET_ROWS),
        v.integer(SUBSET_ROWS),
        v.minValue(1, SUBSET_ROWS),
        v.maxValue(100_000, SUBSET_ROWS),
      ),
      1000,
    ),
    references: v.optional(
      v.pipe(
        v.custom<Record<string, unknown>>(isTable, REFERENCES),
        v.check(isDistinct, DISTINCT),
        v.check((table) => Object.keys(table).every((key) => parsePlace(key)), REFERENCES),
        v.record(
          v.string(),
          v.pipe(
            v.string(REFERENCES),
            v.check((text) => parsePlace(text) !== undefined, REFERENCES),
          ),
        ),
      ),
      {},
    ),
  },
  'must be a table with `root`, like { root = "select id from users", rows = 1000 }',
);
export const SUBSET_KEYS: readonly string[] = Object.keys(subset.entries);

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
    subset: v.optional(subset),
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
  subset: written,
}: v.InferOutput<typeof sanitizeSchema>): Sanitize {
  const tables = new Map<string, "drop" | ReadonlyMap<string, Rule>>();
  for (const [table, of] of Object.entries(rules))
    tables.set(
      lowerName(table),
      of === "drop"
        ? of
        : new Map(Object.entries(of).map(([column, one]) => [lowerName(column), one] as const)),
    );
  const settled = { keySecret: key, required, keepUnknown: unknown === "keep", tables };
  return written === undefined ? settled : { ...settled, subset: settleSubset(written) };
}

function settleSubset({ root, rows, references }: v.InferOutput<typeof subset>): Subset {
  return {
    ...{ root, rows },
    references: Object.entries(references).map(([from, to]) => ({
      from: parsePlace(from)!,
      to: parsePlace(to)!,
    })),
  };
}
