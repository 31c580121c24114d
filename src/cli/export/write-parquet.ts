import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { parquetMetadata } from "hyparquet/src/metadata.js";
import type { Sidecar } from "./sidecar.ts";
import { HashedFile } from "./table-file.ts";
import { readLink, type Wanted } from "./write-files.ts";

/** Bytes at the end of a Parquet file that say how long the description before them is, and that it is one. */
const TAIL = 8;

interface Writing {
  /** Make a link to the file of a table. */
  readonly linkTo: (table: string) => Promise<{ readonly url: string }>;
  /** The name under which a file is made. */
  readonly partOf: (file: string) => string;
  readonly quiet: boolean;
}

/**
 * Download the Parquet files of tables, one after the other, and read how many rows each has.
 *
 * @throws CliError `failed` for a file that breaks off or is none
 */
export async function writeParquetFiles(
  tables: readonly Wanted[],
  { linkTo, partOf, quiet }: Writing,
): Promise<Sidecar["tables"]> {
  const written: Sidecar["tables"] = [];
  for (const { name, columns, file, sequence } of tables) {
    const { url } = await linkTo(name);
    await readLink(url, quiet, async (source) => {
      const made = new HashedFile(partOf(file));
      for await (const chunk of source) made.writeBytes(chunk);
      const hashed = made.end();
      const rows = rowsOf(partOf(file));
      const table = { name, file, columns: [...columns], rows, sequence };
      written.push({ ...table, ...hashed, blobs: [], mixed: [] });
    });
  }
  return written;
}

/**
 * Return the number of rows that the end of a Parquet file tells.
 *
 * @throws Error for a file that has no such end
 */
function rowsOf(path: string): number {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const read = (bytes: number) => {
      const end = new Uint8Array(Math.min(bytes, size));
      readSync(descriptor, end, 0, end.length, size - end.length);
      return end;
    };
    const tail = read(TAIL);
    if (tail.length < TAIL) throw new Error("the file has no end");
    const length = new DataView(tail.buffer).getUint32(0, true);
    return Number(parquetMetadata(read(length + TAIL).buffer).num_rows);
  } finally {
    closeSync(descriptor);
  }
}
