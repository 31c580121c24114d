import { NightjarError } from "../../errors/errors.ts";
import {
  type ChangedRanges,
  changedRanges,
  isSameTree,
} from "../../format/pages/changed/changed-ranges.ts";
import type { PageSet } from "../../format/pages/changed/page-set.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { lowerName, type Selection, selects } from "../../format/tables/selection.ts";
import { digestTable, isHeld } from "../digest-tables.ts";
import type { Image } from "../engine/image.ts";
import { describeTables, readSchema, type Table } from "../tables.ts";
import { type RowCounts, RowMerge, type RowVisitor } from "./merge-rows.ts";
import { RowReader } from "./row-reader.ts";
import { compareSchemas, type ObjectChange, type Schema } from "./schema-changes.ts";
import { type Matching, matchingOf, readShape, type Shape } from "./shape.ts";

/** Rows are read in the order of the tables, once: a small cache is enough, as two images are open. */
const CACHE = "PRAGMA cache_size=-1024";

/** One of the two databases, and its schema. */
export interface Side extends Schema {
  readonly image: Image;
}

/** The pages of two states of one database, and all that differ between them. */
export interface ChangedPages {
  readonly before: PageReader;
  readonly after: PageReader;
  readonly changed: PageSet;
}

/** A table on both sides, or on the one that has it. */
export interface TablePair {
  readonly name: string;
  readonly before: Shape | undefined;
  readonly after: Shape | undefined;
  readonly matching: Matching;
}

/** A value of the database's header that applications set. */
export interface SettingChange {
  readonly name: "user_version" | "application_id";
  readonly from: number;
  readonly to: number;
}

/**
 * Compares two databases: their schemas, and the rows of each table. Nothing is held but one row of each side
 * and the schemas.
 */
export class Comparison {
  readonly before: Side;
  readonly after: Side;
  readonly selection: Selection;
  readonly objects: readonly ObjectChange[];
  readonly settings: readonly SettingChange[];
  readonly pairs: readonly TablePair[];
  readonly #pages: ChangedPages | undefined;

  private constructor(
    before: Side,
    after: Side,
    selection: Selection,
    settings: readonly SettingChange[],
    pairs: readonly TablePair[],
    pages: ChangedPages | undefined,
  ) {
    this.before = before;
    this.after = after;
    this.selection = selection;
    this.objects = compareSchemas(before, after, selection);
    this.settings = settings;
    this.pairs = pairs;
    this.#pages = pages;
  }

  /**
   * Read both schemas.
   *
   * @param pages lets it leave out rows on pages that are the same on both sides
   * @throws NightjarError `FORMAT_UNAVAILABLE` for a database that is not UTF-8, `DIFF_TABLE_UNKNOWN`,
   *   `SCHEMA_TOO_LARGE`, `OBJECT_CORRUPT`; the page reader's own
   */
  static async open(
    before: Image,
    after: Image,
    selection: Selection,
    pages?: ChangedPages,
  ): Promise<Comparison> {
    for (const image of [before, after]) await image.rows(CACHE, () => undefined);
    const [old, now] = [await readSide(before), await readSide(after)];
    refuseUnknown(selection, [...old.tables, ...now.tables]);
    const settings = selection.tables === undefined ? await compareSettings(before, after) : [];
    const pairs = await pairTables(old, now, selection);
    return new Comparison(old, now, selection, settings, pairs, pages);
  }

  /**
   * Compare the rows of a table. Yields whenever the visitor should pass on what it has.
   *
   * @returns how many rows differ
   * @throws NightjarError `OBJECT_CORRUPT`, `QUERY_LIMIT`, `QUERY_FAILED`; the page reader's own
   */
  async *compareRows(pair: TablePair, visitor: RowVisitor): AsyncGenerator<void, RowCounts> {
    const ranges = await this.#rangesOf(pair);
    if (ranges?.before.length === 0 && ranges.after.length === 0) return noRows();
    const { before, after, matching } = pair;
    if (matching !== "none") return yield* this.#merge(pair, visitor, ranges);
    if (before !== undefined && after !== undefined && (await this.#isEqual(before, after)))
      return noRows();
    const { removed } = yield* this.#merge({ ...pair, after: undefined }, visitor);
    const { added } = yield* this.#merge({ ...pair, before: undefined }, visitor);
    return { added, removed, changed: 0 };
  }

  /** Give the memory of both images back. */
  close(): void {
    this.before.image.close();
    this.after.image.close();
  }

  /** Return true if the rows of a table that cannot be matched are not the same on both sides. */
  async differs({ before, after }: TablePair): Promise<boolean> {
    return before === undefined || after === undefined || !(await this.#isEqual(before, after));
  }

  async *#merge(
    { before, after, matching }: TablePair,
    visitor: RowVisitor,
    ranges?: ChangedRanges,
  ): AsyncGenerator<void, RowCounts> {
    const open = async ({ image }: Side, shape: Shape | undefined, side: "before" | "after") =>
      shape && image.exclusive((engine) => RowReader.open(engine, shape, matching, ranges?.[side]));
    const old = await open(this.before, before, "before");
    const now = await open(this.after, after, "after");
    const merge = new RowMerge(old, now, visitor);
    try {
      while (await this.#onBoth(() => merge.turn())) yield;
      yield;
    } finally {
      await this.#close(this.before, old);
      await this.#close(this.after, now);
    }
    return merge.counts;
  }

  #onBoth<T>(work: () => Promise<T>): Promise<T> {
    return this.before.image.exclusive(() => this.after.image.exclusive(work));
  }

  async #close({ image }: Side, reader: RowReader | undefined): Promise<void> {
    if (reader !== undefined && !image.closed) await image.exclusive(() => reader.close());
  }

  /** Return the rows that may differ; undefined for all of them. */
  async #rangesOf({ before, after, matching }: TablePair): Promise<ChangedRanges | undefined> {
    const pages = this.#pages;
    if (pages === undefined || before === undefined || after === undefined) return undefined;
    // With another text, the same bytes of a row can be other values.
    if (before.table.sql !== after.table.sql) return undefined;
    const trees = [
      { pages: pages.before, root: before.table.rootpage },
      { pages: pages.after, root: after.table.rootpage },
    ] as const;
    if (matching === "rowid") return changedRanges(...trees, pages.changed);
    const isSame = await isSameTree(...trees, pages.changed);
    return isSame ? { before: [], after: [] } : undefined;
  }

  /** Return true if two tables whose rows cannot be matched have the same rows in the same order. */
  async #isEqual(before: Shape, after: Shape): Promise<boolean> {
    if (before.plan.columns.join() !== after.plan.columns.join()) return false;
    const old = await digestTable(this.before.image, before.table);
    const now = await digestTable(this.after.image, after.table);
    return old.rows === now.rows && old.sha256 === now.sha256;
  }
}

function noRows(): RowCounts {
  return { added: 0, removed: 0, changed: 0 };
}

async function readSide(image: Image): Promise<Side> {
  const [encoding] = await image.rows("PRAGMA encoding", (row) => row.text(0));
  if (encoding !== "UTF-8")
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      `The database's text is ${encoding}, and only databases in UTF-8 are compared.`,
      { hint: "Download both, and compare the files." },
    );
  const objects = await readSchema(image);
  return { image, objects, tables: describeTables(objects) };
}

function refuseUnknown({ tables: wanted }: Selection, tables: readonly Table[]): void {
  const known = new Set(tables.map(({ name }) => lowerName(name)));
  for (const name of wanted ?? [])
    if (!known.has(name))
      throw new NightjarError("DIFF_TABLE_UNKNOWN", `Neither side has a table ${name}.`);
}

async function compareSettings(before: Image, after: Image): Promise<SettingChange[]> {
  const changes: SettingChange[] = [];
  for (const name of ["user_version", "application_id"] as const) {
    const read = async (image: Image) =>
      (await image.rows(`PRAGMA ${name}`, (row) => Number(row.integer(0))))[0] ?? 0;
    const [from, to] = [await read(before), await read(after)];
    if (from !== to) changes.push({ name, from, to });
  }
  return changes;
}

/** Pair the tables whose rows are stored by users or modules, first those of the earlier side. */
async function pairTables(before: Side, after: Side, selection: Selection): Promise<TablePair[]> {
  const held = ({ tables }: Side) =>
    tables.filter((table) => isHeld(table) && selects(selection, table.owner ?? table.name));
  const now = new Map(held(after).map((table) => [table.name, table]));
  const pairs: TablePair[] = [];
  for (const table of held(before)) {
    const shape = await readShape(before.image, table);
    const other = now.get(table.name);
    now.delete(table.name);
    const shapeNow = other && (await readShape(after.image, other));
    const matching = shapeNow === undefined ? "none" : matchingOf(shape, shapeNow);
    pairs.push({ name: table.name, before: shape, after: shapeNow, matching });
  }
  for (const table of now.values()) {
    const shape = await readShape(after.image, table);
    pairs.push({ name: table.name, before: undefined, after: shape, matching: "none" });
  }
  return pairs;
}
