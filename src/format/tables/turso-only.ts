import { NightjarError } from "../../errors/errors.ts";
import { readTableDefinition } from "../sql/column-definitions.ts";
import { tableOptions } from "../sql/libsql-schema.ts";
import { tokenReader } from "../sql/tokens.ts";
import type { SchemaText } from "./integrity.ts";

/** An object of a schema with which only Turso's engine opens the database. */
export interface TursoOnly {
  readonly name: string;
  /** What it has that SQLite lacks, like "materialized view". */
  readonly feature: string;
}

/** The start of the names of what Turso's engine makes by itself. */
export const INTERNAL = "__turso_internal_";
/** The table in which it keeps custom types and domains, and the index that SQLite would make. */
const TYPES = `${INTERNAL}types`;
const TYPES_INDEX = `sqlite_autoindex_${TYPES}_1`;

/** A condition for rows of sqlite_schema: the only ones that {@link tursoOnly} needs. */
export const MAY_BE_TURSO_ONLY = `(type = 'view' AND sql LIKE '%materialized%')
  OR (type = 'index' AND sql LIKE '%using%') OR (type = 'table' AND sql LIKE '%strict%')
  OR name IN ('${TYPES}', '${TYPES_INDEX}')`;

/** The types of columns in a STRICT table (https://sqlite.org/stricttables.html). */
const STRICT_TYPES = new Set(["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"]);
/** Words that end a column's type. */
const TYPE_ENDS = new Set([
  ...["", "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "NOT", "NULL", "DEFAULT"],
  ...["COLLATE", "REFERENCES", "GENERATED", "AS", "ON"],
]);

/** Objects and types that a message names at most. */
const SHOWN = 5;
/** Characters of each at most. */
const LONGEST = 200;

/**
 * List the objects of a schema that SQLite cannot read and Turso's engine can: materialized views, indexes
 * with a method of their own (`USING fts`), STRICT tables with other types than SQLite's, and the table of
 * custom types, which lacks its index. With any of these SQLite refuses the whole database, or calls it
 * damaged.
 */
export function tursoOnly(
  schema: readonly Pick<SchemaText, "type" | "name" | "sql">[],
): TursoOnly[] {
  const hasIndex = schema.some(({ name }) => name === TYPES_INDEX);
  return schema.flatMap(({ type, name, sql }) => {
    const feature =
      name === TYPES && type === "table"
        ? hasIndex
          ? undefined
          : "custom types"
        : featureOf(type, sql ?? "");
    return feature === undefined ? [] : [{ name, feature }];
  });
}

function featureOf(type: string, sql: string): string | undefined {
  if (type === "view") return plainView(sql) === undefined ? undefined : "materialized view";
  if (type === "index") {
    const method = indexMethod(sql);
    return method === undefined ? undefined : `index method ${method}`;
  }
  if (type !== "table" || !tableOptions(sql).strict) return undefined;
  const types = [...new Set(foreignTypes(sql))];
  if (types.length === 0) return undefined;
  return `custom type${types.length === 1 ? "" : "s"} ${listed(types)}`;
}

/** Return a materialized view's text as that of a plain view; undefined for any other text. */
export function plainView(sql: string): string | undefined {
  const next = tokenReader(sql);
  const create = next();
  const materialized = next();
  if (create.word !== "CREATE" || materialized.word !== "MATERIALIZED") return undefined;
  return sql.slice(0, create.end) + sql.slice(materialized.end);
}

/** Return the name after USING in `CREATE [UNIQUE] INDEX [IF NOT EXISTS] … ON … USING …`. */
export function indexMethod(sql: string): string | undefined {
  const next = tokenReader(sql);
  if (next().word !== "CREATE") return undefined;
  let token = next();
  if (token.word === "UNIQUE") token = next();
  if (token.word !== "INDEX") return undefined;
  if (next().word === "IF") for (let skip = 0; skip < 3; skip++) next(); // NOT EXISTS and the name
  if (next().word !== "ON") return undefined;
  next(); // the table
  return next().word === "USING" ? next().text : undefined;
}

/** Return the types of a STRICT table's columns that SQLite does not know, as they are written. */
function foreignTypes(create: string): string[] {
  return readTableDefinition(create).columns.flatMap(({ text }) => {
    const type = typeOf(text);
    return type === "" || STRICT_TYPES.has(type.toUpperCase()) ? [] : [type];
  });
}

/**
 * Return the type in a column's definition, with what is in parentheses or brackets after it; of a single
 * name without its quotes, as SQLite takes it.
 */
function typeOf(definition: string): string {
  const next = tokenReader(definition);
  const name = next();
  let token = next();
  const { start, end: first, text } = token;
  let end = name.end;
  for (let depth = 0; token.kind !== "end"; token = next()) {
    if (depth === 0 && token.kind !== "quoted" && TYPE_ENDS.has(token.word)) break;
    if (token.word === "(") depth++;
    if (token.word === ")") depth--;
    end = token.end;
  }
  if (end === first) return text;
  return end === name.end ? "" : definition.slice(start, end);
}

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN;
  const shown = names
    .slice(0, SHOWN)
    .map((name) => (name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name));
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Return the warnings for the manifest of a backup that has such objects. */
export function tursoOnlyWarnings(objects: readonly TursoOnly[]) {
  return objects.map(
    ({ name, feature }) =>
      ({ code: "TURSO_ONLY", where: name, count: 1, message: feature }) as const,
  );
}

/** Return the objects that the warnings of a manifest name. */
export function tursoOnlyIn(
  warnings: readonly { readonly code: string; readonly where: string; readonly message: string }[],
): TursoOnly[] {
  return warnings
    .filter(({ code }) => code === "TURSO_ONLY")
    .map(({ where, message }) => ({ name: where, feature: message }));
}

/** List the objects for people: those that Turso's engine made by itself come last. */
export function tursoOnlyNames(objects: readonly TursoOnly[]): string {
  const own = objects.filter(({ name }) => name.startsWith(INTERNAL));
  const users = objects.filter(({ name }) => !name.startsWith(INTERNAL));
  return listed([...users, ...own].map(({ name, feature }) => `${name} (${feature})`));
}

/** Say that SQLite cannot open the database, and because of which objects. */
export function tursoOnlyWords(objects: readonly TursoOnly[]): string {
  return `Only Turso's engine opens this database, SQLite does not: it has ${tursoOnlyNames(objects)}.`;
}

/**
 * Refuse to read a database with such objects through SQLite.
 *
 * @throws NightjarError `TURSO_ONLY`
 */
export function refuseTursoOnly(objects: readonly TursoOnly[]): void {
  if (objects.length > 0) throw new NightjarError("TURSO_ONLY", tursoOnlyWords(objects));
}
