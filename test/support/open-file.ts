import { openImage } from "../../src/sqlite/engine/open.ts";
import { pagesOf } from "./describe-image.ts";

/** Run statements on a whole database file; returns the first column of each one's rows, as text. */
export async function askFile(file: Uint8Array, ...statements: string[]): Promise<string[][]> {
  const image = await openImage(pagesOf(file));
  const answers: string[][] = [];
  for (const sql of statements) answers.push(await image.rows(sql, (row) => row.text(0) ?? "NULL"));
  image.close();
  return answers;
}
