import wasm from "@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm";
import type { PageReader } from "../format/page.ts";
import { type Image, openImageWith } from "./image.ts";

/**
 * Open the database whose pages these are, inside of the Worker. Close it when done: it holds 17 MB and
 * more.
 *
 * @throws NightjarError `OBJECT_CORRUPT` when SQLite cannot read the schema; the page reader's own
 */
export function openImage(pages: PageReader): Promise<Image> {
  return openImageWith(wasm, pages);
}
