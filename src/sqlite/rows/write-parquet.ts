import { isUtf8 } from "node:buffer";
import { NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import {
  GroupSize,
  type ParquetColumn,
  ParquetFile,
  type ParquetKind,
} from "../../format/rows/parquet.ts";
import type { Image } from "../engine/image.ts";
import { Statement, TYPE } from "../engine/statement.ts";
import type { ExportColumn, ExportTable } from "./export-plan.ts";
import { readExact } from "./write-export.ts";

/** Rows of one turn on the image at most. */
const TURN = 5000;
/** Column chunks of a file at most: the end of the file describes each, and is made in memory. */
const MOST_CHUNKS = 4000;
/** KiB of pages that SQLite keeps: every page is read once in each pass, and row groups need the memory. */
const CACHE = 2048;

/** A table that can be written as Parquet. */
export interface ParquetPlan {
  readonly table: ExportTable;
  readonly columns: readonly ParquetColumn[];
}

/**
 * Read all rows that are to be written, and choose the type of each column.
 *
 * @throws NightjarError `FORMAT_UNAVAILABLE` for a table that would have too many row groups; the image's
 */
export async function planParquet(image: Image, table: ExportTable): Promise<ParquetPlan> {
  const { columns, name } = table;
  await image.rows(`PRAGMA cache_size=-${CACHE}`, () => undefined);
  const seen = columns.map(() => new Set<ParquetKind>());
  const size = new GroupSize(columns.length);
  let groups = 1;
  const rows = await RowReader.open(image, table);
  const look = (row: Statement): boolean => {
    for (let at = 0; at < columns.length; at++) {
      const kind = kindOf(row, at);
      if (kind === "null") continue;
      seen[at]!.add(kind);
      // SQLite would make a text of a number, whose bytes are asked for.
      size.add(at, kind, kind === "integer" || kind === "real" ? 8 : row.size(at));
    }
    if (size.isFull) {
      groups++;
      size.reset();
    }
    return true;
  };
  try {
    for (let more = true; more;) more = await rows.read(look);
  } finally {
    await rows.close();
  }
  const chunks = groups * columns.length;
  if (chunks > MOST_CHUNKS)
    throw new NightjarError(
      "FORMAT_UNAVAILABLE",
      `The table ${name} is too large for one Parquet file of a Worker: its end would describe about ${chunks} parts, of ${MOST_CHUNKS} at the most.`,
      { hint: "Choose rows with `where`, or ask for ndjson or csv and convert that." },
    );
  return {
    table,
    columns: columns.map((column, at) => ({ name: column.name, kind: chosen(seen[at]!) })),
  };
}

/** Choose the kind of a column by those of its values. */
function chosen(seen: ReadonlySet<ParquetKind>): ParquetKind {
  const [first = "text", another] = seen;
  return another === undefined ? first : "json";
}

/** Return the kind of column that holds only values like this one. */
function kindOf(row: Statement, at: number): ParquetKind | "null" {
  switch (row.type(at)) {
    case TYPE.INTEGER:
      return "integer";
    case TYPE.REAL:
      return "real";
    case TYPE.TEXT:
      return isUtf8(row.view(at)) ? "text" : "json";
    case TYPE.BLOB:
      return "blob";
    default:
      return "null";
  }
}

/**
 * Write a table as a Parquet file. Memory stays at one row group, or one row if that is larger.
 *
 * @throws NightjarError the image's
 */
export async function* writeParquet(
  image: Image,
  { table, columns }: ParquetPlan,
): AsyncGenerator<Uint8Array> {
  const file = new ParquetFile(columns);
  const rows = await RowReader.open(image, table);
  const take = (row: Statement): boolean => {
    for (let at = 0; at < columns.length; at++)
      file.add(at, valueOf(row, at, columns[at]!, table.columns[at]!));
    return !file.isFull;
  };
  try {
    for (let more = true; more;) {
      more = await rows.read(take);
      if (file.isFull) yield* file.takeGroup();
    }
  } finally {
    await rows.close();
  }
  yield* file.end();
}

function valueOf(
  row: Statement,
  at: number,
  { kind, name }: ParquetColumn,
  { real }: ExportColumn,
): bigint | number | Uint8Array | undefined {
  const found = kindOf(row, at);
  if (found === "null") return undefined;
  if (kind === "json") return encode(JSON.stringify(readExact(row, at, real)));
  if (found !== kind)
    throw new NightjarError("INTERNAL", `The column ${name} had other values a moment ago.`);
  if (kind === "integer") return BigInt(row.integer(at));
  return kind === "real" ? row.real(at) : row.view(at);
}

/** Reads the rows of a table some at a time, so that a reader that stops does not block the image. */
class RowReader {
  readonly #image: Image;
  readonly #rows: Statement;

  private constructor(image: Image, rows: Statement) {
    this.#image = image;
    this.#rows = rows;
  }

  static open(image: Image, { select }: ExportTable): Promise<RowReader> {
    return image.exclusive(async (engine) => {
      const { statement } = await Statement.prepare(engine, encode(select));
      return new RowReader(image, statement!);
    });
  }

  /**
   * Read the next rows, until there are no more, `each` returns false, or it is another's turn.
   *
   * @returns false if there are no more
   */
  read(each: (row: Statement) => boolean): Promise<boolean> {
    const rows = this.#rows;
    return this.#image.exclusive(async () => {
      for (let left = TURN; left > 0; left--) {
        const here = rows.step();
        if (!(typeof here === "boolean" ? here : await here)) return false;
        if (!each(rows)) return true;
      }
      return true;
    });
  }

  async close(): Promise<void> {
    if (!this.#image.closed) await this.#image.exclusive(() => this.#rows.finalize());
  }
}
