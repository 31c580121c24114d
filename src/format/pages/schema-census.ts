import { varint, varintEnd } from "./audit/varint.ts";
import { concat } from "../bytes/bytes.ts";
import { FILE_HEADER, INTERIOR_TABLE, LEAF_TABLE } from "./btree-kind.ts";
import { type PageReader, readPage } from "./page.ts";
import { SchemaSize, tooLarge } from "../tables/schema-size.ts";

/**
 * Indexes and triggers of one table at most. While SQLite reads the schema, it looks at all indexes of a
 * table for each that it adds.
 */
const MOST_OF_ONE_TABLE = 5000;
/** Pages of the schema at most. An honest one holds one object, or the places of several pages. */
const MOST_PAGES = 200_000;

/**
 * Refuse a schema that is too large before SQLite reads it, which takes memory for each object and cannot
 * be limited. A tree that is not sound is passed over: SQLite reports it.
 *
 * @throws NightjarError `SCHEMA_TOO_LARGE`; the page reader's own
 */
export async function refuseLargeSchema(pages: PageReader): Promise<void> {
  if (pages.pageCount === 0) return;
  const first = await readPage(pages, 1);
  if (first.length < FILE_HEADER) return;
  const usable = pages.pageSize - first[20]!;
  // In UTF-16 half of the bytes are counted.
  const perByte = first[59] === 2 || first[59] === 3 ? 0.5 : 1;
  const size = new SchemaSize();
  const tables = new Map<string, number>();
  const waiting = [1];
  const seen = new Set<number>();
  for (let pgno; (pgno = waiting.pop()) !== undefined;) {
    if (pgno < 1 || pgno > pages.pageCount || seen.has(pgno)) return;
    if (seen.add(pgno).size > MOST_PAGES) throw tooLarge(`more than ${MOST_PAGES} pages`);
    const page = pgno === 1 ? first : await readPage(pages, pgno);
    if (page.length < pages.pageSize) return;
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    const base = pgno === 1 ? FILE_HEADER : 0;
    const kind = page[base]!;
    if (kind !== INTERIOR_TABLE && kind !== LEAF_TABLE) return;
    const interior = kind === INTERIOR_TABLE;
    const places = base + (interior ? 12 : 8);
    const cells = view.getUint16(base + 3);
    if (places + 2 * cells > page.length) return;
    if (interior) waiting.push(view.getUint32(base + 8));
    for (let cell = 0; cell < cells; cell++) {
      const at = view.getUint16(places + 2 * cell);
      if (at + 4 > page.length) return;
      if (interior) {
        if (waiting.length > MOST_PAGES) throw tooLarge(`more than ${MOST_PAGES} pages`);
        waiting.push(view.getUint32(at));
        continue;
      }
      const payload = varint(page, at);
      if (!(payload >= 0 && payload <= pages.pageCount * pages.pageSize)) return;
      size.add(Math.floor(payload * perByte));
      const start = varintEnd(page, varintEnd(page, at));
      const end = start + localBytes(payload, usable);
      const next = end + 4 > page.length ? 0 : view.getUint32(end);
      const table = await tableOf(pages, page.subarray(start, end), next, payload, usable);
      const count = (tables.get(table) ?? 0) + 1;
      tables.set(table, count);
      if (count > MOST_OF_ONE_TABLE)
        throw tooLarge(`more than ${MOST_OF_ONE_TABLE} indexes and triggers of one table`);
    }
  }
}

/**
 * Return the bytes of a payload that are stored in the leaf itself
 * (https://sqlite.org/fileformat2.html#b_tree_pages).
 */
function localBytes(payload: number, usable: number): number {
  const most = usable - 35;
  if (payload <= most) return payload;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const some = least + ((payload - least) % (usable - 4));
  return some <= most ? some : least;
}

/**
 * Read the bytes of `tbl_name`, the third column, without the case of letters; empty if they are not there.
 *
 * @param own the part of the record in the leaf; the number of the page with the rest follows it
 */
async function tableOf(
  pages: PageReader,
  own: Uint8Array,
  next: number,
  payload: number,
  usable: number,
): Promise<string> {
  const place = tablePlace(own);
  if (place === undefined || !(place.end <= payload)) return "";
  const pieces = [own];
  let length = own.length;
  for (let pgno = next; length < place.end;) {
    if (pgno < 1 || pgno > pages.pageCount) return "";
    const page = await readPage(pages, pgno);
    if (page.length < usable) return "";
    pieces.push(page.subarray(4, usable));
    length += usable - 4;
    pgno = new DataView(page.buffer, page.byteOffset).getUint32(0);
  }
  const record = pieces.length === 1 ? own : concat(pieces);
  let name = "";
  for (const byte of record.subarray(place.start, place.end))
    name += String.fromCharCode(byte >= 65 && byte <= 90 ? byte + 32 : byte);
  return name;
}

/** Find `tbl_name` in a record by its header; return undefined if it is not a text. */
function tablePlace(record: Uint8Array): { start: number; end: number } | undefined {
  let start = varint(record, 0);
  let length = 0;
  for (let column = 0, place = varintEnd(record, 0); column < 3; column++) {
    start += length;
    const type = varint(record, place);
    place = varintEnd(record, place);
    if (!(type >= 13 && type % 2 === 1)) return undefined;
    length = (type - 13) / 2;
  }
  return start >= 0 ? { start, end: start + length } : undefined;
}
