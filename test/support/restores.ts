import { createClient } from "@libsql/client/http";
import { inject } from "vitest";
import type { Context } from "../../src/worker/context.ts";
import type { Image } from "../../src/sqlite/engine/image.ts";
import { openImage } from "../../src/sqlite/engine/open.ts";
import { apiOf } from "./api.ts";
import { describeImage, pagesOf } from "./describe-image.ts";
import { databaseBytes } from "./hrana-pages.ts";
import type { PageDatabase } from "./page-database.ts";

/** The answer of a restore, line by line. */
export interface Told {
  status: number;
  lines: Record<string, any>[];
  /** The last line: `done` or `error`; a problem if it was refused. */
  last: Record<string, any>;
}

/** Request a restore and read its whole answer. */
export async function askRestore(context: Context, path: string, body: object): Promise<Told> {
  const answer = await apiOf(context).call(path, body);
  const lines = new TextDecoder()
    .decode(await answer.arrayBuffer())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, any>);
  return { status: answer.status, lines, last: lines.at(-1)! };
}

/** List everything in a database of the tests, one line each. */
export async function describe(database: PageDatabase): Promise<string[]> {
  return describeBytes(await databaseBytes(database.client));
}

/** Do the same for the server with everything that is hard to carry over. */
export async function describeFidelity(): Promise<string[]> {
  const client = createClient({ url: inject("fidelity") });
  return describeBytes(await databaseBytes(client));
}

async function describeBytes(bytes: Uint8Array): Promise<string[]> {
  const image: Image = await openImage(pagesOf(bytes));
  try {
    return await describeImage(image);
  } finally {
    image.close();
  }
}
