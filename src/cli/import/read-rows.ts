import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { type CsvField, CsvReader, csvValue } from "../../format/rows/csv.ts";
import { DOCUMENT } from "../../format/rows/json-row.ts";
import { type SqlValue, sqlValueOf } from "../../format/rows/json-value.ts";
import { linesOf, textOf } from "../export/lines.ts";
import type { Sidecar, SidecarFile, SidecarTable } from "../export/sidecar.ts";

/**
 * Read a file of an export, and compare it with its hash at its end.
 *
 * @throws Error for other bytes
 */
export async function* readExported(
  folder: string,
  { file, bytes, sha256 }: SidecarFile,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let length = 0;
  for await (const chunk of createReadStream(join(folder, file)) as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    length += chunk.length;
    yield chunk;
  }
  if (length !== bytes || hash.digest("hex") !== sha256)
    throw new Error(`${file} is not what was exported`);
}

/**
 * Read the rows of a table, some at a time, each with the values of its columns in their order.
 *
 * @throws Error for a file that no export wrote, and at its end if its hash or its rows are others
 */
export async function* readRows(
  folder: string,
  { rows: form, blobs }: Sidecar,
  table: SidecarTable,
): AsyncGenerator<SqlValue[][]> {
  if (form === "parquet") throw new Error("Parquet is not read");
  const bytes = readExported(folder, table);
  const batches =
    form === "csv"
      ? csvRows(bytes, table, blobs)
      : jsonRows(form === "json" ? documentLines(bytes, table) : linesOf(bytes), table);
  let count = 0;
  for await (const rows of batches) {
    count += rows.length;
    yield rows;
  }
  if (count !== table.rows)
    throw new Error(`${table.file} has ${count} rows, and ${table.rows} were exported`);
}

async function* jsonRows(
  batches: AsyncIterable<string[]>,
  { file, columns }: SidecarTable,
): AsyncGenerator<SqlValue[][]> {
  for await (const lines of batches)
    yield lines.map((line) => {
      const row = JSON.parse(line) as Record<string, unknown>;
      if (Object.keys(row).length !== columns.length)
        throw new Error(`a row of ${file} has not the columns of its table`);
      return columns.map((column) => {
        const value = Object.hasOwn(row, column) ? sqlValueOf(row[column]) : undefined;
        if (value === undefined) throw new Error(`a row of ${file} has no value of ${column}`);
        return value;
      });
    });
}

/** Yield the rows of a JSON document of one table, which has each on a line of its own. */
async function* documentLines(
  bytes: AsyncIterable<Uint8Array>,
  { name, file }: SidecarTable,
): AsyncGenerator<string[]> {
  const start = DOCUMENT.start(name, true);
  const ends = [true, false].map((empty) => (DOCUMENT.end(empty) + DOCUMENT.close(false)).trim());
  let first = true;
  let ended = false;
  for await (const lines of linesOf(bytes)) {
    const rows: string[] = [];
    for (const line of lines) {
      if (ended) throw new Error(`${file} goes on after its end`);
      if (first && line === start) first = false;
      else if (first ? line === start + ends[0]! : line === ends[1]) ended = true;
      else if (first) throw new Error(`${file} does not begin with its table`);
      else rows.push(line.endsWith(",") ? line.slice(0, -1) : line);
    }
    yield rows;
  }
  if (!ended) throw new Error(`${file} is cut`);
}

async function* csvRows(
  bytes: AsyncIterable<Uint8Array>,
  { file, columns, blobs, mixed }: SidecarTable,
  form: Sidecar["blobs"],
): AsyncGenerator<SqlValue[][]> {
  if (mixed.length > 0)
    throw new Error(`CSV does not tell the values of ${mixed.join(", ")} in ${file} apart`);
  const forms = columns.map((column) => (blobs.includes(column) ? form : undefined));
  let rows: SqlValue[][] = [];
  let header: readonly CsvField[] | undefined;
  const reader = new CsvReader((fields) => {
    if (fields.length !== columns.length) throw new Error(`a line of ${file} has other fields`);
    if (header === undefined) {
      header = fields;
      if (fields.some(({ text }, at) => text !== columns[at]))
        throw new Error(`${file} has other columns`);
      return;
    }
    rows.push(
      fields.map((field, at) => {
        const value = sqlValueOf(csvValue(field, forms[at]));
        if (value === undefined)
          throw new Error(`a field of ${columns[at]} in ${file} is no value`);
        return value;
      }),
    );
  });
  for await (const text of textOf(bytes)) {
    reader.push(text);
    yield rows;
    rows = [];
  }
  reader.end();
  if (header === undefined) throw new Error(`${file} is empty`);
}
