import type { Deps } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import { firstPageFor } from "../format/pages/first-page.ts";
import { lockPage, type Page } from "../format/pages/page.ts";
import type { Source } from "../libsql/server.ts";
import { bulkRows, exactRows } from "./filler.ts";
import { moveMarker, readMarker, unknownEnd } from "./marker.ts";
import type { Step } from "./pipeline.ts";
import { Transaction } from "./transaction.ts";

/** Bytes of pages in one request, approximately. */
const REQUEST = 4 * 1024 * 1024;
/** Rows of 4 MB that one request adds: the server must answer before it counts as stalled. */
const BULK_ROWS = 25;
const BULK = '"nightjar makes room"';
const EXACT = '"nightjar makes room, exactly"';
const PAGE_COUNT: Step = { sql: "SELECT page_count FROM pragma_page_count" };

/** The pages of a target's whole new database. */
export interface Pages {
  readonly pageSize: number;
  readonly pageCount: number;
  /** In ascending order, each once, with or without the lock page. */
  readonly pages: AsyncIterable<readonly Page[]>;
}

/**
 * Replace a target's whole database by these pages through `sqlite_dbpage`
 * (https://sqlite.org/dbpage.html), in one transaction: the database grows to its size by rows that are
 * thrown away, then every page is written, the first one last. The commit removes the marker too, as the
 * new pages do not have it: the target is either as it was, and marked, or complete.
 *
 * @param restore the restore that the marker names
 * @param step the marker's current step
 * @param header the first 100 bytes of the target's database
 * @param onPages is called with the number of pages that are written
 * @throws NightjarError `TARGET_REFUSED`, as `send`, and whatever `pages` throws: then the target is
 *   unchanged. `RESTORE_UNKNOWN` when it is unknown whether it is
 */
export async function writePages(
  target: Source,
  deps: Deps,
  { restore, step, header }: { restore: string; step: number; header: Uint8Array },
  { pageSize, pageCount, pages }: Pages,
  onPages: (written: number) => Promise<void>,
): Promise<void> {
  const transaction = new Transaction(target, deps);
  try {
    await transaction.run([
      { sql: "BEGIN IMMEDIATE" },
      { sql: moveMarker(restore, step, step + 1) },
    ]);
    await grow(transaction, pageSize, pageCount);
    const first = await writeAllButFirst(transaction, { pageSize, pageCount, pages }, onPages);
    const cookie = await transaction.count({
      sql: "SELECT schema_version FROM pragma_schema_version",
    });
    const data = firstPageFor(first, pageCount, header, cookie);
    await transaction.commit([writePage({ pgno: 1, data })], (lost) => isDone(target, deps, lost));
  } catch (thrown) {
    await transaction.abandon();
    throw thrown;
  }
}

/** Write all pages but the first, and return it: SQLite rereads nothing until the first page changes. */
async function writeAllButFirst(
  transaction: Transaction,
  { pageSize, pageCount, pages }: Pages,
  onPages: (written: number) => Promise<void>,
): Promise<Uint8Array> {
  const lock = lockPage(pageSize);
  let first: Uint8Array | undefined;
  let written = 0;
  let held: Page[] = [];
  const flush = async () => {
    if (held.length > 0) await transaction.run(held.map(writePage));
    written += held.length;
    held = [];
    await onPages(written);
  };
  for await (const batch of pages)
    for (const { pgno, data } of batch) {
      if (pgno === lock) continue;
      if (pgno === 1) first = new Uint8Array(data);
      else held.push({ pgno, data: new Uint8Array(data) }); // the next batch uses its memory again
      if (held.length * pageSize >= REQUEST) await flush();
    }
  await flush();
  if (first === undefined || written + 1 !== pageCount - (pageCount >= lock ? 1 : 0))
    throw new NightjarError("INTERNAL", `${written + 1} pages came of ${pageCount}.`);
  return first;
}

const writePage = ({ pgno, data }: Page): Step => ({
  sql: "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?",
  args: [data, BigInt(pgno)],
  inTransaction: true,
});

/** Make the database `pageCount` pages long. */
async function grow(transaction: Transaction, pageSize: number, pageCount: number): Promise<void> {
  const make = (table: string): Step => ({ sql: `CREATE TABLE ${table}(a)`, inTransaction: true });
  const before = await transaction.count(PAGE_COUNT);
  if (before === pageCount) return;
  let now = await transaction.count(make(EXACT), PAGE_COUNT);
  let bulk = bulkRows(pageSize, pageCount - now);
  if (bulk.count > 0) await transaction.run([make(BULK)]);
  for (; bulk.count > 0; bulk = bulkRows(pageSize, pageCount - now)) {
    const rows = Math.min(bulk.count, BULK_ROWS);
    const insert = `INSERT INTO ${BULK} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows}) SELECT zeroblob(${bulk.size}) FROM n`;
    now = await transaction.count({ sql: insert, inTransaction: true }, PAGE_COUNT);
  }
  const rows = exactRows(pageSize, now, pageCount) ?? [];
  const inserts = rows.map((size): Step => ({
    sql: `INSERT INTO ${EXACT} VALUES (zeroblob(${size}))`,
    inTransaction: true,
  }));
  const grown = await transaction.count(...inserts, PAGE_COUNT);
  if (grown !== pageCount)
    throw new NightjarError(
      "TARGET_REFUSED",
      `The target's database could not be made ${pageCount} pages long, but ${grown}.`,
      { hint: "Restore by statements: `--way statements`." },
    );
}

/**
 * Ask the marker whether the last transaction was done, whose answer was lost.
 *
 * @throws NightjarError `RESTORE_UNKNOWN` when the marker cannot be read either
 */
async function isDone(target: Source, deps: Deps, lost: unknown): Promise<boolean> {
  const marker = await readMarker(target, deps).catch(() => {
    throw unknownEnd(lost);
  });
  return marker === undefined;
}
