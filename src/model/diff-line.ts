import * as v from "valibot";

const change = v.picklist(["added", "removed", "changed"]);
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const nullableText = v.nullable(v.string());

/** One side of a comparison. */
const side = v.object({
  backup: v.pipe(nullableText, v.description("Null for a moment.")),
  asOf: v.pipe(v.string(), v.description("The last commit in it, ISO 8601.")),
  lineage: nullableText,
  txid: v.nullable(count),
});

/** An object of the schema that differs, with its text on each side. */
const objectChange = v.object({
  change,
  type: v.picklist(["table", "index", "view", "trigger"]),
  name: v.string(),
  table: v.string(),
  from: nullableText,
  to: nullableText,
});

/** A value of the database's header that differs. */
const settingChange = v.object({
  name: v.picklist(["user_version", "application_id"]),
  from: v.number(),
  to: v.number(),
});

/** A table with rows that differ, or that only one side has. */
const tableChange = v.object({
  name: v.string(),
  change,
  owner: v.pipe(nullableText, v.description("The virtual table that it holds the content of.")),
  matching: v.pipe(
    v.picklist(["rowid", "key", "none"]),
    v.description("How rows of both sides were matched: docs/diff.md."),
  ),
  added: count,
  removed: count,
  changed: count,
  newColumns: v.pipe(
    v.array(v.string()),
    v.description("Columns that only the later side has. They make no row a changed one."),
  ),
  lostColumns: v.array(v.string()),
});

/** A column's name and its value: a list, as valibot's records leave out some names. */
const named = v.tuple([v.string(), v.unknown()]);
/** A column's name, its value before, and after. */
const altered = v.tuple([v.string(), v.unknown(), v.unknown()]);

/** The values that identify a row; null where rows are not matched. */
const key = v.nullable(v.array(named));

/** A row that differs; of a changed one only the columns that do. */
const rowChange = v.variant("change", [
  v.object({ table: v.string(), change: v.literal("added"), key, values: v.array(named) }),
  v.object({ table: v.string(), change: v.literal("removed"), key, values: v.array(named) }),
  v.object({ table: v.string(), change: v.literal("changed"), key, values: v.array(altered) }),
]);

/** What is compared with what. */
export const diffSides = v.object({ from: side, to: side });

/** A comparison without its rows. */
const diffSummary = v.object({
  different: v.boolean(),
  objects: v.array(objectChange),
  settings: v.array(settingChange),
  tables: v.array(tableChange),
  compared: v.pipe(count, v.description("Tables that were compared, the same ones included.")),
});

/** The last line of a comparison with rows: what differs, and what it took. */
const diffDone = v.object({
  ...diffSummary.entries,
  pages: v.pipe(
    v.object({ read: count, of: count }),
    v.description("Pages that were read, and pages of both sides."),
  ),
});

/** A comparison without its rows, and what was compared. */
export const diffFound = v.object({ ...diffSides.entries, ...diffDone.entries });

const failure = v.object({ code: v.string(), message: v.string(), hint: v.string() });

const lineSchema = v.union([
  diffSides,
  v.object({ row: rowChange }),
  v.object({ done: diffDone }),
  v.object({ error: failure }),
]);

export type DiffSide = v.InferOutput<typeof side>;
export type DiffObject = v.InferOutput<typeof objectChange>;
export type DiffSetting = v.InferOutput<typeof settingChange>;
export type DiffTable = v.InferOutput<typeof tableChange>;
export type DiffRow = v.InferOutput<typeof rowChange>;
export type DiffSides = v.InferOutput<typeof diffSides>;
export type DiffDone = v.InferOutput<typeof diffDone>;

/** One line of a comparison with rows: the sides, then the rows, and last the summary or an error. */
export type DiffLine = v.InferOutput<typeof lineSchema>;

export type DiffFound = v.InferOutput<typeof diffFound>;

/**
 * Parse a comparison without its rows.
 *
 * @throws Error if it is not one
 */
export function parseDiff(answer: unknown): DiffFound {
  return v.parse(diffFound, answer);
}

/**
 * Parse a line of a comparison.
 *
 * @throws Error if it is not one: a proxy cut it, or another version of Nightjar wrote it
 */
export function parseDiffLine(text: string): DiffLine {
  return v.parse(lineSchema, JSON.parse(text));
}
