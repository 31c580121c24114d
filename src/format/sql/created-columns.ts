import { END, tokenReader } from "./tokens.ts";

/** Words that end the columns. */
const CONSTRAINTS = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];

/** Tokens that end a column's type. */
const TYPE_ENDS = new Set([
  ...CONSTRAINTS,
  ...["NOT", "NULL", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS", "ON", "(", ",", ")"],
]);

/** The type that SQLite converts a column's values to (https://sqlite.org/datatype3.html#type_affinity). */
export type Affinity = "integer" | "text" | "none" | "real" | "numeric";

export interface CreatedColumn {
  readonly name: string;
  readonly affinity: Affinity;
  /** Computed from the other columns; no INSERT names it. */
  readonly generated: boolean;
}

/** Read the columns of a table from its CREATE statement. */
export function readColumns(create: string): CreatedColumn[] {
  const next = tokenReader(create);
  const columns: { name: string; type: string[]; generated: boolean }[] = [];
  let depth = 0;
  let inType = false;
  let begins = false;
  let ended = false;
  let strict = false;
  for (let token = next(); token !== END; token = next()) {
    const { word, text } = token;
    const column = columns.at(-1);
    if (begins && CONSTRAINTS.includes(word)) {
      ended = true;
      begins = false;
    } else if (begins) {
      columns.push({ name: text, type: [], generated: false });
      begins = false;
      inType = true;
      continue;
    }
    if (depth === 1 && TYPE_ENDS.has(word)) inType = false;
    if (inType) column?.type.push(text);
    if (word === "(") begins = ++depth === 1 && columns.length === 0;
    else if (word === ")") depth--;
    else if (depth === 0 && columns.length > 0 && word === "STRICT") strict = true;
    else if (depth !== 1 || ended) continue;
    else if (word === ",") begins = true;
    else if (word === "AS" && column !== undefined) column.generated = true;
  }
  return columns.map(({ name, type, generated }) => {
    return { name, affinity: affinityOf(type.join(" "), strict), generated };
  });
}

/**
 * Return the columns that a row has if an INSERT names none, from the table's CREATE statement: all but the
 * generated ones, without quotes.
 */
export function createdColumns(create: string): string[] {
  return readColumns(create)
    .filter(({ generated }) => !generated)
    .map(({ name }) => name);
}

function affinityOf(type: string, strict: boolean): Affinity {
  const has = (part: string) => type.toUpperCase().includes(part);
  if (strict && type.toUpperCase() === "ANY") return "none";
  if (has("INT")) return "integer";
  if (has("CHAR") || has("CLOB") || has("TEXT")) return "text";
  if (has("BLOB") || type === "") return "none";
  if (has("REAL") || has("FLOA") || has("DOUB")) return "real";
  return "numeric";
}
