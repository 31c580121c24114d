import { NightjarError } from "../errors.ts";
import { concat, decode, encode } from "./bytes.ts";
import { type Erased, type Erasure, isErased } from "./erasure.ts";
import { createdColumns } from "./migrations.ts";
import { insertedValues } from "./sql-literal.ts";
import { SqlScanner } from "./sql-scanner.ts";
import { isFullText } from "./virtual-module.ts";

/** The longest statement that is looked at; bytes. */
const MAX_STATEMENT = 32 * 1024 * 1024;
const LINE = encode("\n");

/** The start of a row, up to its values: the table's name and, where it is given, the list of columns. */
const ROW = /^INSERT INTO ("(?:[^"]|"")*"|[^\s("]+)(?:\(((?:"(?:[^"]|"")*"|[^"()])*)\))? VALUES\(/;
const CREATED = /^CREATE TABLE (?:IF NOT EXISTS )?("(?:[^"]|"")*"|'(?:[^']|'')*'|[^\s("']+)/i;

/**
 * A dump without the rows of an erasure list, statement by statement. Rows of other tables pass as they
 * are; white space and comments between statements do not.
 *
 * @param erased is filled while the dump passes
 * @throws NightjarError `ERASURE_FAILED` for a row that cannot be judged, and for full-text indexes,
 *   which keep the words of rows that are gone; whatever `dump` throws
 */
export async function* eraseFromDump(
  dump: AsyncIterable<Uint8Array>,
  erasures: readonly Erasure[],
  erased: (report: Erased) => void,
): AsyncIterable<Uint8Array> {
  const filter = new DumpFilter(erasures);
  let kept: Uint8Array[] = [];
  const scanner = new SqlScanner(({ bytes, length }) => {
    if (length > bytes.length) throw unreadable(`a statement of ${length} bytes`);
    if (filter.keeps(bytes)) kept.push(bytes, LINE);
  }, MAX_STATEMENT);
  for await (const chunk of dump) {
    scanner.push(chunk);
    if (kept.length === 0) continue;
    yield concat(
      kept,
      kept.reduce((sum, { length }) => sum + length, 0),
    );
    kept = [];
  }
  erased(filter.report());
}

class DumpFilter {
  readonly #entries: Map<string, Erasure[]>;
  readonly #columns = new Map<string, string[]>();
  readonly #rows = new Map<string, number>();
  readonly #unapplied = new Map<string, { table: string; column: string }>();

  constructor(erasures: readonly Erasure[]) {
    this.#entries = Map.groupBy(erasures, ({ table }) => table.toLowerCase());
  }

  keeps(statement: Uint8Array): boolean {
    const start = decode(statement.subarray(0, 4096));
    const row = ROW.exec(start);
    if (row === null) {
      const table = CREATED.exec(start)?.[1];
      if (table !== undefined && this.#entries.has(unquoted(table).toLowerCase()))
        this.#columns.set(
          unquoted(table).toLowerCase(),
          createdColumns(decode(statement)).map(unquoted),
        );
      return true;
    }
    const table = unquoted(row[1]!);
    if (table === "sqlite_schema" && hasFullText(decode(statement)))
      throw unreadable("a full-text index, which keeps the words of the rows");
    const entries = this.#entries.get(table.toLowerCase());
    if (entries === undefined) return true;
    const columns =
      row[2] === undefined
        ? (this.#columns.get(table.toLowerCase()) ?? [])
        : row[2].split(",").map((name) => unquoted(name.trim()));
    const values = insertedValues(decode(statement));
    if (values === undefined) throw unreadable(`a row of ${table} that cannot be read`);
    for (const entry of entries) {
      const at = columns.findIndex((name) => name.toLowerCase() === entry.column.toLowerCase());
      const value = values[at];
      if (at === -1)
        this.#unapplied.set(`${table} ${entry.column}`, { table, column: entry.column });
      else if (value != null && isErased(entry, value)) {
        this.#rows.set(table, (this.#rows.get(table) ?? 0) + 1);
        return false;
      }
    }
    return true;
  }

  report(): Erased {
    const tables = [...this.#rows].map(([table, rows]) => ({ table, rows }));
    return { tables, unapplied: [...this.#unapplied.values()] };
  }
}

/**
 * Whether a row of the schema has a full-text index. sqld puts the schema's own text into the row without
 * doubling its quotes, so that the row is no SQL; a server that doubles them is understood too.
 */
function hasFullText(row: string): boolean {
  const [, ...texts] = row.split(/'(?=CREATE\s+VIRTUAL\b)/i);
  return texts.some((sql) => isFullText(sql) || isFullText(sql.replaceAll("''", "'")));
}

function unquoted(name: string): string {
  const quote = name[0];
  return quote === '"' || quote === "'" ? name.slice(1, -1).replaceAll(quote + quote, quote) : name;
}

function unreadable(what: string): NightjarError {
  return new NightjarError(
    "ERASURE_FAILED",
    `The dump has ${what}: its erasure list cannot be applied.`,
    {
      hint: "Nothing was given. Restore a backup by pages, or load the stored dump with your own tools and delete the rows there.",
    },
  );
}
