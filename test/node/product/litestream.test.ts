import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LtxHeader } from "../../../src/format/ltx/header.ts";
import { mergePages } from "../../../src/format/pages/merge-pages.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { decodeLtx } from "../../../src/format/ltx/decode.ts";
import {
  NO_LITESTREAM,
  putSegment,
  readWithLitestream,
  type Row,
  SNAPSHOT_LEVEL,
} from "../../support/litestream.ts";
import { allPages, chunksOf, encoded } from "../../support/ltx.ts";

const PAGE_SIZE = 4096;
const TIMES = ["2026-03-01T10:00:00.250Z", "2026-03-01T11:00:00.500Z", "2026-03-01T12:00:00.750Z"];
const QUERIES = [
  "PRAGMA integrity_check",
  "SELECT name, sql FROM sqlite_schema ORDER BY name",
  "SELECT id, email, hex(avatar) AS avatar FROM users ORDER BY id",
  "SELECT * FROM notes ORDER BY rowid",
  "SELECT count(*) AS n FROM users INDEXED BY users_email WHERE email >= ''",
];

/** The statements before each moment. */
const CHANGES = [
  `CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL, avatar BLOB);
   CREATE UNIQUE INDEX users_email ON users (email);
   CREATE TABLE notes (body TEXT);
   WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO users SELECT i, 'user' || i || '@example.com', randomblob(i % 90) FROM n;
   INSERT INTO notes VALUES ('one'), (NULL), (hex(zeroblob(20000)));`,
  `UPDATE users SET email = 'renamed-' || email WHERE id BETWEEN 500 AND 520;
   DELETE FROM users WHERE id > 1990;
   INSERT INTO notes VALUES (hex(randomblob(30000)));
   ALTER TABLE users ADD COLUMN plan TEXT DEFAULT 'free';`,
  `CREATE TABLE later (id INTEGER PRIMARY KEY, v REAL); INSERT INTO later VALUES (1, 0.5);
   DELETE FROM notes WHERE length(body) > 50000;`,
];

interface Moment {
  header: LtxHeader;
  rows: Row[][];
  file: Uint8Array;
}

describe.skipIf(NO_LITESTREAM !== undefined)(NO_LITESTREAM ?? "stock Litestream", () => {
  let folder: string;
  const moments: Moment[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "nightjar-replica-"));
    const path = join(folder, "source.db");
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA page_size = ${PAGE_SIZE}; PRAGMA journal_mode = WAL`);
    let before: Page[] = [];
    for (const [number, sql] of CHANGES.entries()) {
      db.exec(sql);
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const pages = pagesOfFile(await readFile(path));
      const changed = pages.filter(({ data }, at) => !same(data, before[at]?.data));
      expect(changed.length).toBeGreaterThan(0);
      before = pages;
      const header: LtxHeader = {
        pageSize: PAGE_SIZE,
        commit: pages.length,
        // The first increment covers two transactions.
        minTxid: [1, 2, 4][number]!,
        maxTxid: [1, 3, 4][number]!,
        timestamp: Date.parse(TIMES[number]!),
      };
      const file = await encoded(header, changed);
      await putSegment(folder, number === 0 ? SNAPSHOT_LEVEL : 0, header, file);
      const rows = QUERIES.map((query) => db.prepare(query).all() as Row[]);
      moments.push({ header, rows, file });
    }
    db.close();
  });

  afterAll(async () => rm(folder, { recursive: true }));

  it("reads the newest state, and verifies every file on the way", async () => {
    const rows = await readWithLitestream(folder, [...QUERIES, "SELECT * FROM later"]);
    expect(rows).toEqual([...moments[2]!.rows, [{ id: 1, v: 0.5 }]]);
    expect(rows[0]).toEqual([{ integrity_check: "ok" }]);
  });

  it.each([0, 1, 2])("reads moment %s page by page", async (number) => {
    const at = new Date(TIMES[number]!);
    expect(await readWithLitestream(folder, QUERIES, { at })).toEqual(moments[number]!.rows);
    // Just before the next moment, nothing has changed yet.
    const next = TIMES[number + 1];
    if (next === undefined) return;
    const before = new Date(Date.parse(next) - 1);
    expect(await readWithLitestream(folder, QUERIES, { at: before })).toEqual(
      moments[number]!.rows,
    );
  });

  it("reads what a merge made of the files", async () => {
    const merged = join(folder, "merged");
    const inputs = await Promise.all(moments.map(({ file }) => decodeLtx(chunksOf(file))));
    const { header } = moments[2]!;
    const whole = { ...header, minTxid: 1 };
    const pages = mergePages(
      inputs.map(({ pages }) => pages),
      header.commit,
    );
    await putSegment(merged, SNAPSHOT_LEVEL, whole, await encoded(whole, await allPages(pages)));
    expect(await readWithLitestream(merged, QUERIES)).toEqual(moments[2]!.rows);
  });

  it("does not accept a file with another checksum", async () => {
    const altered = join(folder, "altered");
    const { header, file } = moments[0]!;
    const bytes = file.slice();
    bytes[bytes.length - 1]! ^= 1;
    await putSegment(altered, SNAPSHOT_LEVEL, header, bytes);
    await expect(readWithLitestream(altered, QUERIES)).rejects.toThrow("checksum mismatch");
  });
});

function pagesOfFile(bytes: Uint8Array): Page[] {
  return Array.from({ length: bytes.length / PAGE_SIZE }, (_, at) => ({
    pgno: at + 1,
    data: bytes.subarray(at * PAGE_SIZE, (at + 1) * PAGE_SIZE),
  }));
}

function same(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
