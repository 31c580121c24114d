import type { PageReader } from "../../src/format/page.ts";
import { openImage } from "../../src/sqlite/open.ts";

/** The pages of a whole database file in memory. */
export function fileReader(file: Uint8Array, pageSize = 4096): PageReader {
  return {
    pageSize,
    pageCount: file.length / pageSize,
    readPage: async (pgno) => file.subarray((pgno - 1) * pageSize, pgno * pageSize),
  };
}

/** The first column of a statement's rows on a whole database file, as text. */
export async function askFile(file: Uint8Array, ...statements: string[]): Promise<string[][]> {
  const image = await openImage(fileReader(file));
  const answers: string[][] = [];
  for (const sql of statements) answers.push(await image.rows(sql, (row) => row.text(0) ?? "NULL"));
  image.close();
  return answers;
}
