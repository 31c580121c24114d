import { encode } from "../../format/bytes/bytes.ts";
import { readTableDefinition } from "../../format/sql/column-definitions.ts";
import { quoteName, quoteText } from "../../format/sql/quote.ts";
import { hasWord } from "../../format/sql/tokens.ts";
import { selects } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { changeRules } from "../sql/change-rules.ts";
import {
  DEFENSIVE,
  indexSql,
  statement,
  type Writing,
  writeSequence,
  writeTable,
  writeVirtual,
} from "../sql/write-sql.ts";
import { refuseUnwritable, writtenSql } from "../sql/written-schema.ts";
import { isForeign, type SchemaObject, type Table } from "../tables.ts";
import type { Comparison, TablePair } from "./comparison.ts";
import { RowStatements } from "./row-statements.ts";
import { idOf, isSameObject, madeObjects, type Schema } from "./schema-changes.ts";
import { uniqueColumns } from "./unique-columns.ts";

/**
 * Refuse a comparison that cannot be written as SQL, before anything of it is written.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE`, `SCHEMA_UNSAFE`
 */
export async function refuseDiff({ before, after, selection }: Comparison): Promise<void> {
  // Of the earlier side only names are written.
  await refuseUnwritable(before.image, before.objects, before.tables, {
    ...selection,
    schema: false,
  });
  await refuseUnwritable(after.image, after.objects, after.tables, selection);
}

/**
 * Write the statements that make the later database of the earlier one, in one transaction, for SQLite from
 * 3.40 on. Tables whose text differs are dropped, and made again with all of their rows; of all others only
 * rows that differ are written. Triggers of a table that is written to are dropped before, and made again at
 * the end.
 *
 * @throws NightjarError as `refuseDiff` and `compareRows`
 */
export async function* writeDiff(comparison: Comparison): AsyncGenerator<Uint8Array> {
  await refuseDiff(comparison);
  yield encode("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
  yield* new DiffWriter(comparison).write();
  yield encode("COMMIT;\n");
}

class DiffWriter {
  readonly #comparison: Comparison;
  readonly #writing: Writing;
  readonly #old: readonly SchemaObject[];
  readonly #now: readonly SchemaObject[];
  /** Objects that are not there any more, or are not yet: by `idOf`. */
  readonly #missing = new Set<string>();
  /** Tables that rows were written to. */
  readonly #written = new Set<string>();
  #isUnchecked = false;
  #isNoted = false;

  constructor(comparison: Comparison) {
    const { before, after, selection } = comparison;
    this.#comparison = comparison;
    this.#writing = {
      ...{ image: after.image, target: "sqlite", selection },
      ...{ schema: after.objects, tables: after.tables, masks: undefined },
    };
    this.#old = madeObjects(before, selection);
    this.#now = madeObjects(after, selection);
  }

  async *write(): AsyncGenerator<Uint8Array> {
    const { pairs, after } = this.#comparison;
    const { image, tables } = this.#writing;
    yield encode((await this.#drops()).join(""));
    const made = this.#selected(after).filter((table) => this.#isMissing(table));
    for (const table of made)
      if (table.kind !== "virtual") {
        yield* this.#uncheck(table);
        yield* writeTable(this.#writing, table);
      }
    const kept = pairs.filter((pair) => this.#isKept(pair));
    for (const pair of kept) if (pair.after!.table.kind !== "shadow") yield* this.#writeRows(pair);
    if (this.#isUnchecked) yield encode("PRAGMA ignore_check_constraints=OFF;\n");
    // SQLite makes views unchecked, and a virtual table's module may read one when it makes the table.
    for (const view of this.#missingOf("view")) yield encode(await statement(image, view));
    for (const table of made)
      if (table.kind === "virtual") {
        yield* this.#note();
        yield* writeVirtual(this.#writing, table, tables);
      }
    for (const pair of kept) if (pair.after!.table.kind === "shadow") yield* this.#writeRows(pair);
    yield* this.#writeSequence(made);
    for (const index of this.#missingOf("index"))
      yield encode(await indexSql(image, index, "sqlite"));
    for (const trigger of this.#missingOf("trigger")) yield encode(await statement(image, trigger));
    for (const { name, to } of this.#comparison.settings) yield encode(`PRAGMA ${name}=${to};\n`);
  }

  /** Return the statements that drop what does not stay, and note what is missing then. */
  async #drops(): Promise<string[]> {
    const now = new Map(this.#now.map((object) => [idOf(object), object]));
    const tables = new Set<string>();
    for (const object of this.#old) {
      const is = now.get(idOf(object));
      const stays = is !== undefined && isSameObject(object, is);
      if (stays && !(object.type === "table" && (await this.#isOther(object.name)))) continue;
      if (object.type === "table" || object.type === "view") tables.add(object.name);
      this.#missing.add(idOf(object));
    }
    // What belongs to a table or a view is dropped with it.
    const own = (object: SchemaObject) =>
      object.type !== "table" && object.type !== "view" && tables.has(object.table);
    const drops = ["trigger", "view", "index", "table"].flatMap((type) =>
      this.#old
        .filter((object) => object.type === type && this.#isMissing(object) && !own(object))
        .map((object) => this.#drop(object)),
    );
    const old = new Set(this.#old.map(idOf));
    for (const object of [...this.#old, ...this.#now])
      if (own(object) || !old.has(idOf(object))) this.#missing.add(idOf(object));
    return drops;
  }

  #drop({ type, name }: SchemaObject): string {
    const table = this.#comparison.before.tables.find((one) => one.name === name);
    if (type !== "table" || table === undefined || !isForeign(table))
      return `DROP ${type.toUpperCase()} ${quoteName(name)};\n`;
    // DROP TABLE needs its module.
    return `PRAGMA writable_schema=ON;\nDELETE FROM sqlite_schema WHERE type='table' AND name=${quoteText(name)};\nPRAGMA writable_schema=RESET;\n`;
  }

  /**
   * Return true if a table is made again although its text is the same: it holds the content of another
   * virtual table, or its rows differ and cannot be matched.
   */
  async #isOther(name: string): Promise<boolean> {
    const { before, after, pairs } = this.#comparison;
    const [old, now] = [before, after].map(({ tables }) => tables.find((one) => one.name === name));
    if (old!.kind !== now!.kind || old!.owner !== now!.owner) return true;
    const pair = pairs.find((one) => one.name === name);
    return pair?.matching === "none" && (await this.#comparison.differs(pair));
  }

  /** Return true if the rows of a table that stays are compared. */
  #isKept({ before, after, matching }: TablePair): boolean {
    if (before === undefined || after === undefined || matching === "none") return false;
    const { kind, name, owner } = after.table;
    return kind !== "internal" && !this.#missing.has(`table ${owner ?? name}`);
  }

  #isMissing(object: SchemaObject): boolean {
    return this.#missing.has(idOf(object));
  }

  #missingOf(type: SchemaObject["type"]): SchemaObject[] {
    return this.#now.filter((object) => object.type === type && this.#isMissing(object));
  }

  #selected({ tables }: Schema): Table[] {
    const made = new Set(this.#now.map(idOf));
    return tables.filter((table) => made.has(idOf(table)));
  }

  async *#writeRows(pair: TablePair): AsyncGenerator<Uint8Array> {
    const { image } = this.#writing;
    const shape = pair.after!;
    const unique = await uniqueColumns(image, shape);
    const left = yield* this.#writePass(pair, new RowStatements(shape, unique, "fit"));
    if (left === 0) return;
    const written = await writtenSql(image, shape.table);
    const { columns } = readTableDefinition(written);
    const { loosen, restore } = changeRules(shape.table, written, columns, "sqlite");
    yield* this.#begin(shape.table);
    yield encode(loosen);
    yield* this.#writePass(pair, new RowStatements(shape, unique, "misfit"));
    yield encode(restore);
  }

  async *#writePass(
    pair: TablePair,
    statements: RowStatements,
  ): AsyncGenerator<Uint8Array, number> {
    const steps = this.#comparison.compareRows(pair, statements);
    for (;;) {
      const step = await steps.next();
      const sql = statements.take();
      if (sql.length > 0) {
        yield* this.#begin(pair.after!.table);
        yield sql;
      }
      if (step.done === true) return statements.left;
    }
  }

  /** Prepare a table that stays for its first statement: drop its triggers, switch off its CHECKs. */
  async *#begin(table: Table): AsyncGenerator<Uint8Array> {
    if (this.#written.has(table.name)) return;
    this.#written.add(table.name);
    if (table.kind === "shadow") yield* this.#note();
    else yield* this.#uncheck(table);
    const triggers = this.#old.filter(
      (object) =>
        object.type === "trigger" && object.table === table.name && !this.#isMissing(object),
    );
    for (const trigger of triggers) {
      this.#missing.add(idOf(trigger));
      yield encode(this.#drop(trigger));
    }
  }

  /** Rows are written as they are. A CHECK may be younger than they, and may run anything: so it is off. */
  async *#uncheck({ sql }: Table): AsyncGenerator<Uint8Array> {
    if (this.#isUnchecked || !hasWord(sql ?? "", "CHECK")) return;
    this.#isUnchecked = true;
    yield encode("PRAGMA ignore_check_constraints=ON;\n");
  }

  async *#note(): AsyncGenerator<Uint8Array> {
    if (this.#isNoted) return;
    this.#isNoted = true;
    yield encode(DEFENSIVE);
  }

  /** Write AUTOINCREMENT's counters if they differ, or statements may have changed them. */
  async *#writeSequence(made: readonly Table[]): AsyncGenerator<Uint8Array> {
    const { before, after, selection } = this.#comparison;
    const counts = ({ sql }: Table) => hasWord(sql ?? "", "AUTOINCREMENT");
    const isCounted = (table: Table) => selects(selection, table.name) && counts(table);
    const touched = after.tables.filter(
      (table) => counts(table) && (this.#written.has(table.name) || made.includes(table)),
    );
    const [old, now] = [await readSequence(before), await readSequence(after)];
    const dropped = before.tables.some((table) => counts(table) && this.#isMissing(table));
    const differs = selection.tables === undefined ? old !== now : before.tables.some(isCounted);
    if (touched.length === 0 && !dropped && !differs) return;
    if (now === undefined) {
      if (old !== undefined) yield encode("DELETE FROM sqlite_sequence;\n");
      return;
    }
    yield* writeSequence(
      this.#writing,
      after.tables.filter((table) => selects(selection, table.name)),
    );
  }
}

/** Return AUTOINCREMENT's counters as a text; undefined if there is no table of them. */
async function readSequence({
  image,
  tables,
}: { image: Image } & Schema): Promise<string | undefined> {
  if (!tables.some(({ name }) => name === "sqlite_sequence")) return undefined;
  const rows = await image.rows(
    "SELECT rowid, quote(name), quote(seq) FROM sqlite_sequence ORDER BY rowid",
    (row) => [0, 1, 2].map((at) => row.text(at)).join(),
  );
  return rows.join("\n");
}
