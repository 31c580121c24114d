import wasm from "@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm";
import type { Erased, Erasure } from "../../format/tables/erasure.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { type Image, openErasedWith, openForFactsWith, openImageWith } from "./image.ts";
import { replayDumpWith } from "../replay.ts";

/**
 * Open the database that has these pages, inside of the Worker. Close it when done: it holds 17 MB and
 * more.
 *
 * @throws NightjarError `OBJECT_CORRUPT` when SQLite cannot read the schema, `TURSO_ONLY`; the page
 *   reader's own
 */
export function openImage(pages: PageReader): Promise<Image> {
  return openImageWith(wasm, pages);
}

/**
 * Open the database as `openImage` does, to read its schema, also where only Turso's engine can read the
 * rest.
 */
export function openForFacts(pages: PageReader): Promise<Image> {
  return openForFactsWith(wasm, pages);
}

/**
 * Open the database as `openImage` does, without the rows of an erasure list.
 */
export function openErased(
  pages: PageReader,
  erasures: readonly Erasure[],
): Promise<{ image: Image; erased: Erased }> {
  return openErasedWith(wasm, pages, erasures);
}

/**
 * Run the SQL of a dump in a new database in memory, inside of the Worker. Close it when done.
 */
export function replayDump(text: AsyncIterable<Uint8Array>): Promise<Image> {
  return replayDumpWith(wasm, text);
}
