import * as v from "valibot";
import { NightjarError } from "../../errors/errors.ts";
import { isTable } from "../../errors/schema-issue.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import type { Choice } from "../../format/rows/choice.ts";
import type { Detail } from "../../model/audit.ts";
import type { CheckedExport, ExportPlan } from "../../read/export.ts";
import type { Rights } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";
import { refuseRaw } from "../access/raw.ts";
import { bounded } from "../fields.ts";

/** Tables that one link names at most, characters of a name, and of an expression. */
const MOST = 1000;
const NAME = 1000;
const EXPRESSION = 10_000;
/** Bytes of a choice, which is kept in rows of the catalog and of the audit. */
const LARGEST = 100_000;

/** Fields of a request for a link that choose a part of the database. */
export const choiceFields = {
  tables: v.optional(
    v.pipe(
      v.array(bounded(NAME), "must be a list of tables"),
      v.minLength(1, "must name a table"),
      v.maxLength(MOST, `must name at most ${MOST} tables`),
      v.description("Give these tables only. `csv` and `parquet` need exactly one."),
    ),
  ),
  where: v.optional(
    v.pipe(
      v.custom<Record<string, unknown>>(isTable, "must be an object of texts"),
      v.metadata({
        ...{ type: "object", maxProperties: MOST },
        propertyNames: { minLength: 1, maxLength: NAME },
        additionalProperties: { type: "string", minLength: 1, maxLength: EXPRESSION },
      }),
      v.record(bounded(NAME), bounded(EXPRESSION)),
      v.check((wheres) => Object.keys(wheres).length <= MOST, `must be ${MOST} at the most`),
      v.description(
        "By table, an SQL expression of its columns: only rows for which it is true. For ndjson, json, csv and parquet.",
      ),
    ),
  ),
  only: v.optional(
    v.pipe(
      v.picklist(["schema", "data"], 'must be "schema" or "data"'),
      v.description("For sql: only the statements that make tables, or only the rows."),
    ),
  ),
  blobs: v.optional(
    v.pipe(
      v.picklist(["base64", "hex"], 'must be "base64" or "hex"'),
      v.description("How csv has BLOBs; base64 unless told."),
    ),
  ),
  order: v.optional(
    v.pipe(
      v.picklist(["stored", "key"], 'must be "stored" or "key"'),
      v.description("The order of rows: by rowid unless told, or by the declared primary key."),
    ),
  ),
  sanitize: v.optional(
    v.pipe(
      v.boolean("must be true or false"),
      v.description(
        "Mask values by the database's rules. For sql, libsql.sql, ndjson, json, csv and parquet.",
      ),
    ),
  ),
};

/** The fields of a request of which each may be left out. */
type Asked = { readonly [K in keyof Omit<Choice, "raw" | "sanitize">]: Choice[K] | undefined } & {
  readonly sanitize?: boolean | undefined;
};

/**
 * Return the choice of a request; undefined if it chooses nothing.
 *
 * @throws NightjarError `REQUEST_INVALID` for one that is too large for a row of the catalog
 */
export function choiceOf({
  tables,
  where,
  only,
  blobs,
  order,
  sanitize,
}: Asked): Choice | undefined {
  const masks = sanitize === true ? true : undefined;
  const given = Object.entries({ tables, where, only, blobs, order, sanitize: masks }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length === 0) return undefined;
  if (encode(JSON.stringify(given)).length > LARGEST)
    throw new NightjarError(
      "REQUEST_INVALID",
      `tables and where: must have at most ${LARGEST} bytes together`,
    );
  return Object.fromEntries(given);
}

/**
 * Return what a link is made with: the choice, and, where values as they are take a scope, that its maker has
 * it. A link without that gives none of them.
 *
 * @throws NightjarError `SANITIZE_REQUIRED`
 */
export async function permitted(
  context: Context,
  database: string,
  rights: Rights,
  choice: Choice | undefined,
): Promise<Choice | undefined> {
  if (choice?.sanitize === true) return choice;
  await refuseRaw(context, database, rights);
  const isAsked = await context.fleet.rawNeedsScope(database);
  return isAsked ? { ...choice, raw: true } : choice;
}

/** Name a choice, so that downloads with different ones have different tags. */
export function choiceTag(choice: Choice | null): string {
  return choice === null ? "" : `-${fingerprint(JSON.stringify(choice))}`;
}

/** Tell the audit of a choice. Its expressions are hashed, as queries are: they may name people. */
export function choiceDetail(choice: Choice | null | undefined): Detail {
  const { tables, where, ...rest } = choice ?? {};
  return {
    ...(tables !== undefined && { tables }),
    ...(where !== undefined && { whereHash: fingerprint(JSON.stringify(where)) }),
    ...rest,
  };
}

/** Show what a link is to give, as its answer has it. */
export function checkedView({ plan, unusedRules, subset }: CheckedExport) {
  return {
    export: plan === undefined ? null : exportView(plan),
    unusedRules: unusedRules === undefined ? null : [...unusedRules],
    subset: subset === undefined ? null : [...subset],
  };
}

function exportView({ tables, leftOut }: ExportPlan) {
  return {
    tables: tables.map(({ name, columns, sequence }) => ({
      name,
      columns: columns.map((column) => column.name),
      sequence: sequence === null ? null : String(sequence),
    })),
    leftOut: [...leftOut],
  };
}
