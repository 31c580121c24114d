import type { SchemaElement } from "hyparquet";
import { ByteWriter } from "hyparquet-writer/src/bytewriter.js";
import { ParquetWriter } from "hyparquet-writer/src/parquet-writer.js";

/**
 * How a column of a Parquet file has its values; each may be NULL.
 *
 * | kind | Parquet | of a column that has only |
 * |---|---|---|
 * | `integer` | INT64 | INTEGERs |
 * | `real` | DOUBLE | REALs |
 * | `text` | STRING | TEXT in UTF-8, or NULLs |
 * | `blob` | BYTE_ARRAY | BLOBs |
 * | `json` | STRING, each value in the form of json-value.ts | anything else |
 */
export type ParquetKind = "integer" | "real" | "text" | "blob" | "json";

export interface ParquetColumn {
  readonly name: string;
  readonly kind: ParquetKind;
}

/** The key of the file's metadata under which the columns of kind `json` are listed, as JSON. */
export const JSON_COLUMNS = "nightjar.json";

/** Bytes of values after which a row group is written. */
const GROUP = 2 * 1024 * 1024;
/** Bytes of memory that the values of one column of a row group may take while they are encoded, about. */
const COLUMN = 2 * 1024 * 1024;
/** Bytes of a page of a column, before compression. */
const PAGE = 256 * 1024;
/** Bytes of memory that a value takes while it is encoded, about, that of its text or BLOB not counted. */
const WEIGHT = { integer: 32, real: 24, text: 40, json: 40, blob: 150 } as const;

const TEXT = { type: "BYTE_ARRAY", logical_type: { type: "STRING" } } as const;
const TYPES = {
  integer: { type: "INT64" },
  real: { type: "DOUBLE" },
  text: TEXT,
  json: TEXT,
  blob: { type: "BYTE_ARRAY" },
} as const;

/** Counts the rows that are added until a row group is full. */
export class GroupSize {
  readonly #weights: number[];
  #bytes = 0;
  #heaviest = 0;

  constructor(columns: number) {
    this.#weights = Array.from({ length: columns }, () => 0);
  }

  /** Add a value of the column at `at`, with so many bytes. */
  add(at: number, kind: ParquetKind, bytes: number): void {
    this.#bytes += bytes + 1;
    // A text may take two bytes for each of its own.
    const weight = this.#weights[at]! + WEIGHT[kind] + (kind === "blob" ? 0 : 2 * bytes);
    this.#weights[at] = weight;
    this.#heaviest = Math.max(this.#heaviest, weight);
  }

  get isFull(): boolean {
    return this.#bytes >= GROUP || this.#heaviest >= COLUMN;
  }

  reset(): void {
    this.#weights.fill(0);
    this.#bytes = this.#heaviest = 0;
  }
}

/**
 * Writes a Parquet file (https://parquet.apache.org/docs/file-format/), a row group at a time, compressed with
 * Snappy. Memory holds one row group, the values of one column of it, and some 2 KiB for each column of each
 * group before.
 */
export class ParquetFile {
  readonly #schema: SchemaElement[];
  readonly #pieces = new Pieces();
  readonly #writer: ParquetWriter;
  readonly #columns: readonly ColumnValues[];
  readonly #size: GroupSize;
  #rows = 0;

  constructor(columns: readonly ParquetColumn[]) {
    this.#columns = columns.map((column) => new ColumnValues(column));
    this.#size = new GroupSize(columns.length);
    this.#schema = [
      { name: "root", num_children: columns.length },
      ...columns.map(({ name, kind }) => ({
        ...{ name, repetition_type: "OPTIONAL" as const },
        ...TYPES[kind],
      })),
    ];
    const json = columns.filter(({ kind }) => kind === "json").map(({ name }) => name);
    this.#writer = new ParquetWriter({
      ...{ writer: this.#pieces, schema: this.#schema, createdBy: "nightjar" },
      kvMetadata: [{ key: JSON_COLUMNS, value: JSON.stringify(json) }],
    });
  }

  /** True once so many rows were added that they should be taken as a row group. */
  get isFull(): boolean {
    return this.#size.isFull;
  }

  /** Add the value of the next column; a NULL as undefined. Its bytes are copied. */
  add(at: number, value: bigint | number | Uint8Array | undefined): void {
    const column = this.#columns[at]!;
    this.#size.add(at, column.kind, column.add(value));
    if (at === 0) this.#rows++;
  }

  /** Write a row group of the rows that were added, and return the bytes so far. */
  takeGroup(): Uint8Array[] {
    if (this.#rows > 0)
      void this.#writer.write({
        columnData: [...this.#columns],
        ...{ rowGroupSize: this.#rows, pageSize: PAGE },
      });
    for (const column of this.#columns) column.reset();
    this.#size.reset();
    this.#rows = 0;
    return this.#pieces.take();
  }

  /** Write what is left, and the end of the file. */
  end(): Uint8Array[] {
    const last = this.takeGroup();
    // Older readers know a text by this alone. Only now: the writer would hold each text of a column as bytes.
    for (const element of this.#schema)
      if (element.logical_type?.type === "STRING") element.converted_type = "UTF8";
    void this.#writer.finish();
    return [...last, ...this.#pieces.take()];
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The values of one column of a row group, as bytes one after the other until they are written. */
class ColumnValues {
  readonly name: string;
  readonly kind: ParquetKind;
  readonly offsetIndex = false;
  readonly encoding?: "PLAIN";
  readonly statistics: boolean;
  #bytes = new Uint8Array(1024);
  #length = 0;
  /** Where each value ends; one that is NULL has the complement of where it would. */
  #ends = new Int32Array(256);
  #count = 0;

  constructor({ name, kind }: ParquetColumn) {
    this.name = name;
    this.kind = kind;
    // A dictionary would take -0.0 for 0.0.
    if (kind === "real") this.encoding = "PLAIN";
    // The least and the greatest text of each row group would be kept until the end of the file.
    this.statistics = kind === "integer" || kind === "real";
  }

  /** @returns the bytes of the value */
  add(value: bigint | number | Uint8Array | undefined): number {
    const size = value instanceof Uint8Array ? value.length : value === undefined ? 0 : 8;
    this.#bytes = withRoom(this.#bytes, this.#length + size);
    if (value instanceof Uint8Array) this.#bytes.set(value, this.#length);
    else if (value !== undefined) {
      const view = new DataView(this.#bytes.buffer);
      if (typeof value === "bigint") view.setBigInt64(this.#length, value);
      else view.setFloat64(this.#length, value);
    }
    this.#length += size;
    if (this.#count === this.#ends.length) {
      const larger = new Int32Array(2 * this.#count);
      larger.set(this.#ends);
      this.#ends = larger;
    }
    this.#ends[this.#count++] = value === undefined ? ~this.#length : this.#length;
    return size;
  }

  /** The values, made when the writer comes to this column. */
  get data(): unknown[] {
    const view = new DataView(this.#bytes.buffer);
    let from = 0;
    return Array.from({ length: this.#count }, (_, at) => {
      const end = this.#ends[at]!;
      if (end < 0) return null;
      const start = from;
      from = end;
      if (this.kind === "integer") return view.getBigInt64(start);
      if (this.kind === "real") return view.getFloat64(start);
      const bytes = this.#bytes.subarray(start, end);
      return this.kind === "blob" ? bytes : UTF8.decode(bytes);
    });
  }

  reset(): void {
    // One large value must not be paid for until the end.
    if (this.#bytes.length > GROUP) this.#bytes = new Uint8Array(1024);
    this.#length = this.#count = 0;
  }
}

function withRoom(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (length <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.max(length, 2 * bytes.length));
  larger.set(bytes);
  return larger;
}

/** Bytes above which a piece is not copied. */
const LARGE = 16 * 1024;

/** Collects what is written until it is taken. */
class Pieces extends ByteWriter {
  #pieces: Uint8Array[] = [];

  /** @param value is kept as it is, where it is large */
  override appendBytes(value: Uint8Array): void {
    if (value.length < LARGE) return super.appendBytes(value);
    this.#cut();
    this.#pieces.push(value);
    this.offset += value.length;
  }

  take(): Uint8Array[] {
    this.#cut();
    const taken = this.#pieces;
    this.#pieces = [];
    return taken;
  }

  #cut(): void {
    if (this.index > 0) this.#pieces.push(new Uint8Array(this.getBuffer()));
    this.index = 0;
  }
}
