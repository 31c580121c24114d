import { decode, encode } from "../bytes/bytes.ts";
import { isWhole, lowerName, type Selection, selects } from "../tables/selection.ts";
import { readSqlHead, type SqlHead } from "./head.ts";
import { END, tokenReader } from "./tokens.ts";

const KEPT_PRAGMAS = new Set(["user_version", "application_id"]);

/** Pragmas that are set before statements that break a rule, and reset after them. */
const RULE_PRAGMAS = new Set(["ignore_check_constraints", "writable_schema"]);

/**
 * Selects the statements that restore a selection, from the SQL of a whole database: a server's dump or
 * Nightjar's own. Only Nightjar's own SQL has virtual tables as statements, so only there can they be
 * distinguished from others.
 */
export class SqlSelector {
  readonly #selection: Selection;
  /** Names of the tables that were created so far, in lower case. */
  readonly #made = new Set<string>();
  /** The last virtual table. Rows of tables that no statement created belong to its shadow tables. */
  #virtual: string | undefined;

  constructor(selection: Selection) {
    this.#selection = selection;
  }

  /** Return the statement, or what replaces it; undefined for one not to be run, such as BEGIN and COMMIT. */
  take(statement: Uint8Array): Uint8Array | undefined {
    const head = readSqlHead(statement);
    const { schema, rows, tables, except } = this.#selection;
    const { does, name, table, verb } = head;
    if (does === "transaction") return undefined;
    if (isWhole(this.#selection) && except === undefined) return statement;
    this.#remember(head);
    const wanted = () => {
      switch (does) {
        case "create-table":
        case "create-virtual":
        case "create-index":
        case "create-trigger":
          return schema && selects(this.#selection, table);
        case "create-view":
          return schema && tables === undefined;
        case "insert":
        case "delete":
          return rows && selects(this.#selection, this.#owner(lowerName(table)));
        case "update":
          return rows && selects(this.#selection, table);
        case "other":
          if (verb !== "PRAGMA") return false;
          return (
            RULE_PRAGMAS.has(name) || (KEPT_PRAGMAS.has(name) && schema && tables === undefined)
          );
      }
    };
    if (rows && does === "insert" && lowerName(table) === "sqlite_sequence")
      return this.#counters(statement);
    // An UPDATE restores a table's own text after rows that its rules would refuse.
    if (does === "update" && lowerName(table) === "sqlite_schema")
      return schema && selects(this.#selection, lastText(statement)) ? statement : undefined;
    return !/^sqlite_/i.test(table) && wanted() ? statement : undefined;
  }

  #remember({ does, name }: SqlHead): void {
    if (does === "create-table") this.#made.add(lowerName(name));
    if (does === "create-virtual") this.#virtual = name;
  }

  #owner(table: string): string {
    return this.#made.has(table) ? table : (this.#virtual ?? table);
  }

  /** Rewrite AUTOINCREMENT's counters for the selected tables. They replace those that the rows have set. */
  #counters(statement: Uint8Array): Uint8Array | undefined {
    const rows = countersIn(decode(statement))
      .filter(([name]) => selects(this.#selection, name))
      .map(([name, seq]) => [`'${name.replaceAll("'", "''")}'`, seq] as const);
    if (rows.length === 0) return undefined;
    const names = rows.map(([name]) => name).join(",");
    const values = rows.map(([name, seq]) => `(${name},${seq})`).join(",");
    return encode(
      `DELETE FROM sqlite_sequence WHERE name IN (${names});\nINSERT INTO sqlite_sequence(name,seq) VALUES${values};\n`,
    );
  }
}

/**
 * Read the rows of sqlite_sequence from an INSERT: each has a rowid, a table's name, the last number given.
 */
function countersIn(insert: string): [name: string, seq: string][] {
  const next = tokenReader(insert);
  const rows: [string, string][] = [];
  let name: string | undefined;
  for (let token = next(), sign = ""; token !== END; token = next()) {
    if (token.word === "(") name = undefined;
    else if (token.kind === "quoted") name = token.text;
    else if (name !== undefined && token.kind === "word") rows.push([name, sign + token.text]);
    sign = token.word === "-" ? "-" : "";
  }
  return rows;
}

/** Return the last text in quotes of a statement. */
function lastText(statement: Uint8Array): string {
  let last = "";
  const next = tokenReader(decode(statement));
  for (let token = next(); token !== END; token = next())
    if (token.kind === "quoted") last = token.text;
  return last;
}
