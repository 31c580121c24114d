import { copyOf } from "../bytes/bytes.ts";
import { NightjarError } from "../../errors/errors.ts";
import {
  type DatabaseHeader,
  type Encoding,
  readDatabaseHeader,
  withJournal,
} from "./database-header.ts";
import { lockPage, type Page } from "./page.ts";

/**
 * Arrange pages as in a database file of their own: every page in its place, the lock page (which logs
 * leave out) empty, and the header such that the file opens anywhere without a WAL.
 *
 * @param pages in ascending order
 * @returns the pages; the journal mode that the source had, its `user_version` and the encoding of its
 *   text, once the first page has passed
 * @throws NightjarError `PAGES_INVALID` while reading: a page is missing, or the header does not fit
 */
export function databasePages(
  pages: AsyncIterable<readonly Page[]>,
  pageSize: number,
  pageCount: number,
): {
  pages: AsyncIterable<readonly Page[]>;
  journal(): DatabaseHeader["journal"];
  userVersion(): number;
  encoding(): Encoding;
} {
  let journal: DatabaseHeader["journal"] = "rollback";
  let userVersion = 0;
  let encoding: Encoding = "UTF-8";
  const lock = lockPage(pageSize);

  async function* inPlace(): AsyncIterable<readonly Page[]> {
    let next = 1;
    const empty = (): Page => ({ pgno: lock, data: new Uint8Array(pageSize) });
    for await (const batch of pages) {
      const placed: Page[] = [];
      for (const page of batch) {
        if (page.pgno === lock) continue;
        if (next === lock) {
          placed.push(empty());
          next++;
        }
        if (page.pgno !== next) throw missing(next);
        if (next++ === 1) {
          ({ journal, userVersion, encoding } = checkHeader(page.data, pageSize, pageCount));
          placed.push({ pgno: 1, data: withJournal(page.data, "rollback") });
        } else placed.push(page);
      }
      yield placed;
    }
    if (next === lock && next <= pageCount) {
      yield [empty()];
      next++;
    }
    if (next !== pageCount + 1) throw missing(next);
  }
  return {
    pages: inPlace(),
    journal: () => journal,
    userVersion: () => userVersion,
    encoding: () => encoding,
  };
}

/** Yield the pages of a database file, in batches whose memory is used again for the next ones. */
export async function* pagesInFile(
  file: AsyncIterable<Uint8Array>,
  pageSize: number,
): AsyncIterable<readonly Page[]> {
  const rest = new Uint8Array(pageSize); // the first bytes of a page that spans chunks
  let held = 0;
  let pgno = 0;
  for await (const chunk of file) {
    const batch: Page[] = [];
    let at = 0;
    if (held > 0) {
      at = Math.min(pageSize - held, chunk.length);
      rest.set(chunk.subarray(0, at), held);
      held += at;
      if (held === pageSize) {
        batch.push({ pgno: ++pgno, data: copyOf(rest) });
        held = 0;
      }
    }
    for (; at + pageSize <= chunk.length; at += pageSize)
      batch.push({ pgno: ++pgno, data: chunk.subarray(at, at + pageSize) });
    if (at < chunk.length) {
      rest.set(chunk.subarray(at), held);
      held += chunk.length - at;
    }
    yield batch;
  }
}

function checkHeader(page: Uint8Array, pageSize: number, pageCount: number): DatabaseHeader {
  const header = readDatabaseHeader(page);
  if (header.pageSize !== pageSize || (header.pageCount ?? pageCount) !== pageCount)
    throw new NightjarError(
      "PAGES_INVALID",
      `The database's header tells of ${header.pageCount} pages of ${header.pageSize} bytes, not of ${pageCount} of ${pageSize}.`,
    );
  return header;
}

function missing(pgno: number): NightjarError {
  return new NightjarError("PAGES_INVALID", `Page ${pgno} of the database is missing.`);
}
