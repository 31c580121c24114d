import { NightjarError } from "../../errors/errors.ts";
import { SchemaSize } from "../../format/tables/schema-size.ts";
import type { Row } from "../../libsql/cursor.ts";
import type { Value } from "../../libsql/hrana-messages.ts";
import type { SchemaRow } from "../pages.ts";
import type { Wire } from "./transaction.ts";

/** A column of a table, as `PRAGMA table_xinfo` tells it. */
export interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly key: boolean;
  readonly notNull: boolean;
  /** 0 for a stored column, 1 for a hidden one, 2 and 3 for generated ones. */
  readonly hidden: number;
}

/** Everything about a database but its rows. */
export interface RowCatalog {
  /** In the order of its rows. */
  readonly schema: readonly SchemaRow[];
  /** The columns of each table with rows of its own, by its name. */
  readonly columns: ReadonlyMap<string, readonly ColumnRow[]>;
  /** The tables that have an index for their primary key. */
  readonly keyIndexed: ReadonlySet<string>;
  readonly encoding: string;
  readonly userVersion: number;
  readonly applicationId: number;
}

/**
 * Statements that read a `RowCatalog`. Texts come as blobs, as a server may fail at one that is not UTF-8.
 * A virtual table's columns are not asked for, as its module would have to be there. Tursodb has tables with
 * negative root pages. It also has one connection for all clients, in which a temporary table of any of them
 * hides the table of that name: the last value is the number of tables that are hidden.
 */
export function catalogSql(wire: Wire): readonly string[] {
  // Tursodb puts the argument into a PRAGMA in double quotes, and does not double those that it has.
  const table = wire === "cursor" ? "m.name" : `replace(m.name, '"', '""')`;
  return [
    "SELECT type, CAST(name AS BLOB), CAST(tbl_name AS BLOB), rootpage, CAST(sql AS BLOB) FROM sqlite_schema ORDER BY rowid",
    `SELECT CAST(m.name AS BLOB), CAST(x.name AS BLOB), CAST(x.type AS BLOB), x.pk, x."notnull", x.hidden FROM sqlite_schema AS m, pragma_table_xinfo(${table}) AS x WHERE m.type = 'table' AND m.rootpage <> 0 ORDER BY m.rowid, x.cid`,
    `SELECT CAST(m.name AS BLOB) FROM sqlite_schema AS m, pragma_index_list(${table}) AS i WHERE m.type = 'table' AND m.rootpage <> 0 AND i.origin = 'pk' ORDER BY m.rowid`,
    `SELECT (SELECT encoding FROM pragma_encoding), (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), ${wire === "cursor" ? "0" : HIDDEN}`,
  ];
}
const HIDDEN =
  "(SELECT count(*) FROM sqlite_schema AS m, pragma_table_list AS l WHERE l.schema = 'temp' AND lower(l.name) = lower(m.name))";
/** The number of these statements. */
export const CATALOG_STATEMENTS = 4;

/** Collects the rows of `catalogSql`. */
export class CatalogReader {
  readonly #size = new SchemaSize();
  readonly #schema: SchemaRow[] = [];
  readonly #columns = new Map<string, ColumnRow[]>();
  readonly #keyIndexed = new Set<string>();
  #facts: readonly Value[] | undefined;

  /** @throws NightjarError `ROWS_INVALID`, `ROWS_UNAVAILABLE`, `SCHEMA_TOO_LARGE` */
  add({ statement, values }: Row): void {
    if (statement === 0) this.#addObject(values);
    else if (statement === 1) {
      const table = textOf(values[0]);
      const columns = this.#columns.get(table) ?? [];
      const name = textOf(values[1]);
      const type = textOf(values[2] ?? new Uint8Array());
      this.#size.add(name.length + type.length);
      const [key, notNull, hidden] = values.slice(3).map(Number);
      columns.push({ name, type, key: key! > 0, notNull: notNull! > 0, hidden: hidden! });
      this.#columns.set(table, columns);
    } else if (statement === 2) this.#keyIndexed.add(textOf(values[0]));
    else this.#facts = values;
  }

  /**
   * @throws NightjarError `ROWS_INVALID` if something is missing; `ROWS_UNAVAILABLE` for text in UTF-16, and
   *   for tables that temporary ones hide
   */
  end(): RowCatalog {
    const [encoding, userVersion, applicationId, hidden] = this.#facts ?? [];
    if (typeof userVersion !== "bigint" || typeof applicationId !== "bigint")
      throw new NightjarError("ROWS_INVALID", "The server does not tell the database's versions.");
    if (hidden !== 0n)
      throw new NightjarError(
        "ROWS_UNAVAILABLE",
        "A client of the server has made a temporary table with the name of a table of the database, which it hides from every client.",
        { hint: "Drop the temporary table, or give it another name." },
      );
    if (encoding !== "UTF-8")
      throw new NightjarError(
        "ROWS_UNAVAILABLE",
        `The database's text is ${String(encoding)}, and rows are read as UTF-8 only.`,
      );
    for (const { type, name, rootpage } of this.#schema)
      if (type === "table" && rootpage !== 0 && !this.#columns.has(name))
        throw new NightjarError("ROWS_INVALID", `The server tells no columns of table ${name}.`);
    return {
      schema: this.#schema,
      columns: this.#columns,
      keyIndexed: this.#keyIndexed,
      encoding,
      userVersion: Number(userVersion),
      applicationId: Number(applicationId),
    };
  }

  #addObject([type, name, table, rootpage, sql]: readonly Value[]): void {
    const object = {
      type: String(type),
      name: textOf(name),
      table: textOf(table),
      rootpage: Number(rootpage ?? 0),
      sql: sql === null ? null : textOf(sql),
    };
    this.#size.add(object.name.length + object.table.length + (object.sql?.length ?? 0));
    this.#schema.push(object);
  }
}

/** Return true if two catalogs are of the same schema and versions. */
export function isSameCatalog(one: RowCatalog, other: RowCatalog): boolean {
  const flat = ({ schema, columns, keyIndexed, ...facts }: RowCatalog) =>
    JSON.stringify([schema, [...columns], [...keyIndexed], facts]);
  return flat(one) === flat(other);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws NightjarError `ROWS_UNAVAILABLE` for a name or a text that is not UTF-8 */
function textOf(value: Value | undefined): string {
  if (!(value instanceof Uint8Array))
    throw new NightjarError("ROWS_INVALID", "The server sent no text where the schema has one.");
  try {
    return UTF8.decode(value);
  } catch {
    throw new NightjarError("ROWS_UNAVAILABLE", "The schema has text that is not UTF-8.");
  }
}
