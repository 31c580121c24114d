import { NightjarError } from "../errors.ts";
import { concat, decode, encode } from "./bytes.ts";
import { createdColumns } from "./created-columns.ts";
import { type Erased, type Erasure, isErased } from "./erasure.ts";
import { lowerName } from "./selection.ts";
import { readSqlHead } from "./sql-head.ts";
import { insertedRow } from "./sql-literal.ts";
import { SqlScanner } from "./sql-scanner.ts";
import { isFullText } from "./virtual-module.ts";

/** The longest statement that is looked at; bytes. */
const MAX_STATEMENT = 32 * 1024 * 1024;
const LINE = encode("\n");

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
    this.#entries = Map.groupBy(erasures, ({ table }) => lowerName(table));
  }

  keeps(statement: Uint8Array): boolean {
    const { does, table } = readSqlHead(statement);
    const entries = this.#entries.get(lowerName(table));
    if (does === "create-table" && entries !== undefined)
      this.#columns.set(lowerName(table), createdColumns(decode(statement)));
    if (does !== "insert") return true;
    if (table === "sqlite_schema") refuseSchemaRow(decode(statement));
    if (entries === undefined) return true;
    const row = insertedRow(decode(statement));
    const columns = (row?.columns ?? this.#columns.get(lowerName(table)))?.map(lowerName);
    if (row === undefined || columns?.length !== row.values.length)
      throw unreadable(`a row of ${table} that cannot be read`);
    for (const entry of entries) {
      const at = columns.indexOf(lowerName(entry.column));
      const value = row.values[at];
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
 * A row of the schema makes a virtual table. sqld puts the schema's own text into it without doubling its
 * quotes, so that the row is no SQL, and other rows may be taken for a part of it; a server that doubles
 * them is understood too.
 *
 * @throws NightjarError `ERASURE_FAILED` for a full-text index, and where other rows are in it
 */
function refuseSchemaRow(row: string): void {
  const [, ...texts] = row.split(/'(?=CREATE\s+VIRTUAL\b)/i);
  if (texts.some((sql) => isFullText(sql) || isFullText(sql.replaceAll("''", "'"))))
    throw unreadable("a full-text index, which keeps the words of the rows");
  if (row.includes(";\nINSERT INTO "))
    throw unreadable("a virtual table with a quote in its text, which hides rows");
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
