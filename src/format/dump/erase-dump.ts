import { Buffer } from "node:buffer";
import { NightjarError } from "../../errors/errors.ts";
import { decode } from "../bytes/bytes.ts";
import { type CreatedColumn, readColumns } from "../sql/created-columns.ts";
import { type Erased, type Erasure, isErased } from "../tables/erasure.ts";
import { lowerName } from "../tables/selection.ts";
import { readSqlHead } from "../sql/head.ts";
import { addNames, type FullText, fullTextOf, virtualName } from "../sql/full-text.ts";
import { realText } from "../sql/real-text.ts";
import { insertedRow, type LiteralKind } from "../sql/literal.ts";
import { rewriteDump } from "./rewrite-dump.ts";

/**
 * Yield a dump without the rows of an erasure list, statement by statement. Rows of other tables stay as
 * they are; white space and comments between statements are dropped.
 *
 * @param origin who wrote the dump: a server writes whole REALs as integers, Nightjar does not
 * @param erased is called with the report at the end of the dump
 * @throws NightjarError `ERASURE_FAILED` for a row that cannot be judged, and for a full-text index that
 *   keeps the words of deleted rows; whatever `dump` throws
 */
export async function* eraseFromDump(
  dump: AsyncIterable<Uint8Array>,
  erasures: readonly Erasure[],
  origin: "server" | "nightjar",
  erased: (report: Erased) => void,
): AsyncIterable<Uint8Array> {
  const filter = new DumpFilter(erasures, origin);
  yield* rewriteDump(dump, ({ bytes, length }) => {
    if (length > bytes.length) throw unreadable(`a statement of ${length} bytes`);
    return filter.keeps(bytes) ? [bytes] : [];
  });
  erased(filter.report());
}

class DumpFilter {
  readonly #entries: Map<string, Erasure[]>;
  /** The columns of each table on the list that was created so far, by its name in lower case. */
  readonly #columns = new Map<string, CreatedColumn[]>();
  readonly #created = new Set<string>();
  readonly #rows = new Map<string, number>();
  readonly #unapplied = new Map<string, { table: string; column: string }>();
  readonly #fullTexts: FullText[] = [];
  /** The names, in lower case, that the triggers of each table on the list contain. */
  readonly #named = new Map<string, Set<string>>();

  readonly #origin: "server" | "nightjar";

  constructor(erasures: readonly Erasure[], origin: "server" | "nightjar") {
    this.#origin = origin;
    this.#entries = Map.groupBy(erasures, ({ table }) => lowerName(table));
  }

  keeps(statement: Uint8Array): boolean {
    const { does, table: name } = readSqlHead(statement);
    const table = lowerName(name);
    const entries = this.#entries.get(table);
    if (does === "create-table") {
      this.#created.add(table);
      if (entries !== undefined) this.#columns.set(table, readColumns(decode(statement)));
    }
    if (does === "create-trigger" && entries !== undefined) {
      const named = this.#named.get(table) ?? new Set();
      this.#named.set(table, addNames(named, decode(statement)));
      this.#refuseWords();
    }
    if (does !== "insert") return true;
    // Samples of an index's columns that libSQL keeps for its planner: they may hold values of deleted
    // rows.
    if (/^sqlite_stat[34]$/.test(table)) return false;
    if (table === "sqlite_schema") this.#schemaRow(decode(statement));
    return entries === undefined || !this.#isErased(name, decode(statement), entries);
  }

  /** @throws NightjarError `ERASURE_FAILED` */
  report(): Erased {
    for (const { name, content, own } of this.#fullTexts)
      if (this.#rows.size > 0 && !own && content !== "" && !this.#created.has(content))
        throw keepsWords(name, content); // a view, whose rows may be those that are erased
    const tables = [...this.#rows].map(([table, rows]) => ({ table, rows }));
    return { tables, unapplied: [...this.#unapplied.values()] };
  }

  #isErased(table: string, insert: string, entries: readonly Erasure[]): boolean {
    const created = this.#columns.get(lowerName(table));
    const row = insertedRow(insert);
    const columns =
      row?.columns ?? created?.filter(({ generated }) => !generated).map(({ name }) => name);
    if (row === undefined || created === undefined || columns?.length !== row.values.length)
      throw unreadable(`a row of ${table} that cannot be read`);
    const places = columns.map(lowerName);
    for (const entry of entries) {
      const wanted = lowerName(entry.column);
      const column = created.find(({ name }) => lowerName(name) === wanted);
      const at = places.indexOf(wanted);
      if (column === undefined) {
        this.#unapplied.set(`${table} ${entry.column}`, { table, column: entry.column });
        continue;
      }
      if (at === -1)
        throw unreadable(
          `rows of ${table} without their column ${entry.column}, which is computed`,
        );
      if (!matches(entry, row.kinds[at]!, row.values[at]!, column, this.#origin)) continue;
      const rows = this.#rows.get(table) ?? 0;
      this.#rows.set(table, rows + 1);
      if (rows === 0) this.#refuseWords();
      return true;
    }
    return false;
  }

  /**
   * Read a row of the schema that makes a virtual table. sqld puts the schema's own text into it without
   * doubling its quotes, so the row is not valid SQL, and other rows may be mistaken for a part of it. A
   * server that doubles the quotes is understood too.
   *
   * @throws NightjarError `ERASURE_FAILED` if it contains other rows, for a virtual table on the list, and
   *   for a full-text index that keeps the words of deleted rows
   */
  #schemaRow(row: string): void {
    const [, ...texts] = row.split(/'(?=CREATE\s+VIRTUAL\b)/i);
    for (const text of texts)
      for (const sql of [text, text.replaceAll("''", "'")]) {
        const name = virtualName(sql);
        if (name !== undefined && this.#entries.has(lowerName(name)))
          throw unreadable(`${name} as a virtual table, whose rows are in other tables`);
        const fullText = fullTextOf(sql);
        if (fullText === undefined) continue;
        this.#fullTexts.push(fullText);
        for (const erased of this.#rows.keys()) this.#refuseWordsOf(fullText, erased);
      }
    if (row.includes(";\nINSERT INTO "))
      throw unreadable("a virtual table with a quote in its text, which hides rows");
  }

  /** @throws NightjarError `ERASURE_FAILED` if a full-text index keeps the words of deleted rows */
  #refuseWords(): void {
    for (const fullText of this.#fullTexts)
      for (const table of this.#rows.keys()) this.#refuseWordsOf(fullText, table);
  }

  #refuseWordsOf({ name, content }: FullText, table: string): void {
    const lower = lowerName(table);
    if (content === lower || this.#named.get(lower)?.has(lowerName(name)))
      throw keepsWords(name, table);
  }
}

/**
 * Return true if an entry names a value of a dump. sqld writes whole REALs as integers: if the column does
 * not show which of both a value was, nothing else does.
 *
 * @throws NightjarError `ERASURE_FAILED` in that case, if the entry names either
 */
function matches(
  entry: Erasure,
  kind: LiteralKind,
  text: string | null,
  { name, affinity }: CreatedColumn,
  origin: "server" | "nightjar",
): boolean {
  if (text === null) return false;
  if (kind === "blob") return isErased(entry, Buffer.from(text, "hex"));
  if (kind === "text") return isErased(entry, text);
  const whole = /^-?[0-9]+$/.test(text) ? BigInt(text) : undefined;
  const real = realText(Number(text));
  if (
    whole === undefined ||
    (affinity === "real" && origin === "server") ||
    BigInt.asIntN(64, whole) !== whole
  )
    return isErased(entry, real);
  const integer = isErased(entry, String(whole));
  if (affinity !== "none" || origin === "nightjar") return integer;
  if (!integer && !isErased(entry, real)) return false;
  throw unreadable(`${text} in the column ${name}, which may have been ${whole} or ${real}`);
}

function keepsWords(index: string, table: string): NightjarError {
  return unreadable(`the full-text index ${index}, which keeps the words of rows of ${table}`);
}

function unreadable(what: string): NightjarError {
  return new NightjarError(
    "ERASURE_FAILED",
    `The dump has ${what}: its erasure list cannot be applied.`,
    {
      hint: "Nothing was given. Restore a backup by pages; or withdraw the entries (`nightjar erasures`), load the dump, and delete the rows by hand.",
    },
  );
}
