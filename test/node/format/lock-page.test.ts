import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { createZstdDecompress } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyOf } from "../../../src/format/bytes/bytes.ts";
import { databasePages, pagesInFile } from "../../../src/format/pages/database-file.ts";
import { decodeLtx } from "../../../src/format/ltx/decode.ts";
import { encodeLtx } from "../../../src/format/ltx/encode.ts";
import { lockPage, type Page } from "../../../src/format/pages/page.ts";
import { PageCensus } from "../../../src/format/pages/page-census.ts";
import { seekableCompress } from "../../../src/format/bytes/seekable.ts";
import { skipLockPage } from "../../../src/jobs/backup/page-stream.ts";
import { header } from "../../support/ltx.ts";

/** A database of more than 1 GiB: SQLite leaves one page empty, and logs omit it. */
const PAGE_SIZE = 65_536;
const LOCK = lockPage(PAGE_SIZE);
let dir: string;
let file: string;
let pageCount: number;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-lock-page-"));
  file = join(dir, "large.db");
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA page_size = ${PAGE_SIZE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    CREATE TABLE large (id INTEGER PRIMARY KEY, body BLOB);
    INSERT INTO large (body) VALUES (zeroblob(360000000)), (zeroblob(360000000)), (zeroblob(360000000));
    CREATE TABLE after (id INTEGER PRIMARY KEY, pad TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO after (pad) SELECT hex(randomblob(100)) FROM n;`);
  database.close();
  pageCount = (await stat(file)).size / PAGE_SIZE;
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function sha256(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

const read = () => createReadStream(file, { highWaterMark: 1 << 20 });

describe("a database with a lock page", () => {
  it("is the same file after its way through the log and a snapshot", async () => {
    expect(pageCount).toBeGreaterThan(LOCK);
    const census = new PageCensus();
    const numbers: number[] = [];
    async function* seen(pages: AsyncIterable<readonly Page[]>) {
      for await (const batch of pages) {
        for (const { pgno, data } of batch) {
          census.add(pgno, data);
          if (Math.abs(pgno - LOCK) < 3) numbers.push(pgno);
        }
        yield batch;
      }
    }
    const whole = { ...header(), pageSize: PAGE_SIZE, commit: pageCount, minTxid: 1 };
    const log = encodeLtx(whole, skipLockPage(pagesInFile(read(), PAGE_SIZE), PAGE_SIZE));
    const { pages } = await decodeLtx(log);
    const placed = databasePages(seen(pages), PAGE_SIZE, pageCount);
    const stored = seekableCompress(placed.pages, () => {});
    async function* copies() {
      for await (const chunk of stored) yield copyOf(chunk); // a stream reads ahead
    }
    const unpacked = Readable.from(copies()).pipe(createZstdDecompress());

    expect(await sha256(unpacked)).toBe(await sha256(read()));
    expect(numbers).toEqual([LOCK - 2, LOCK - 1, LOCK + 1, LOCK + 2]);
    const database = new DatabaseSync(file, { readOnly: true });
    for (const { name, rootpage } of database.prepare("SELECT * FROM sqlite_schema").all())
      expect(census.rowsUnder(Number(rootpage)), String(name)).toBe(name === "large" ? 3 : 5000);
    database.close();
  });
});
