import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PageSet } from "../../../src/format/pages/changed/page-set.ts";
import { hasStrayOverflow } from "../../../src/format/pages/changed/stray-overflow.ts";
import { EVERYTHING } from "../../../src/format/tables/selection.ts";
import { Comparison } from "../../../src/sqlite/diff/comparison.ts";
import { writeRowLines } from "../../../src/sqlite/diff/row-lines.ts";
import { summarize } from "../../../src/sqlite/diff/summarize.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-diff-pages-"));
const [A, B] = [join(dir, "a.db"), join(dir, "b.db")];
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(file: string, statements: readonly string[]): void {
  const db = new DatabaseSync(file, { defensive: false });
  db.exec("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY");
  for (const sql of statements)
    try {
      db.exec(sql);
    } catch {
      // Refused: a key is taken, or a table is gone.
    }
  db.close();
}

/** Make two states of one database. */
function make(first: readonly string[], then: readonly string[]): void {
  for (const file of [A, B]) rmSync(file, { force: true });
  run(A, first);
  copyFileSync(A, B);
  run(B, then);
}

/** The states' pages, and those that differ between them. */
function statesOf(from = A, to = B) {
  const [before, after] = [pagesOf(readFileSync(from)), pagesOf(readFileSync(to))];
  const changed = new PageSet();
  const bytes = ({ pageCount, usePage }: typeof before, pgno: number) =>
    pgno > pageCount
      ? undefined
      : (usePage.call({ reads: 0 }, pgno, (page: Uint8Array) => Buffer.from(page)) as Buffer);
  for (let pgno = 1; pgno <= Math.max(before.pageCount, after.pageCount); pgno++) {
    const [old, now] = [bytes(before, pgno), bytes(after, pgno)];
    if (old === undefined || now === undefined || !old.equals(now)) changed.add(pgno);
  }
  return { before, after, changed };
}

type States = ReturnType<typeof statesOf>;

async function withImages<T>(
  { before, after, changed }: States,
  skips: boolean,
  use: (comparison: Comparison) => Promise<T>,
): Promise<T> {
  const pages =
    skips && !(await hasStrayOverflow(after, changed)) ? { before, after, changed } : undefined;
  const images = [await openImageWith(wasm, before), await openImageWith(wasm, after)] as const;
  const comparison = await Comparison.open(...images, EVERYTHING, pages);
  try {
    return await use(comparison);
  } finally {
    comparison.close();
  }
}

async function linesOf(comparison: Comparison): Promise<string> {
  let text = "";
  const lines = writeRowLines(comparison);
  for (;;) {
    const step = await lines.next();
    if (step.done === true) return text + JSON.stringify(step.value);
    text += Buffer.from(step.value).toString();
  }
}

const TABLES = [
  "CREATE TABLE t(id INTEGER PRIMARY KEY, a, pad, tail)",
  "CREATE INDEX by_a ON t(a)",
  "CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID",
  "CREATE TABLE l(a)",
  "CREATE VIRTUAL TABLE f USING fts5(x)",
];
const rowid = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 900 }) },
  fc.constantFrom("9223372036854775807", "-9223372036854775808", "9007199254740993", -5, 0),
);
const many = (table: string) => (n: number, from: number, bytes: number) =>
  `WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${from + n}) INSERT OR REPLACE INTO ${table} SELECT i, i * 7 % 100, hex(zeroblob(${bytes})), i FROM n`;
const fill = fc
  .tuple(fc.integer({ min: 1, max: 400 }), fc.nat(800), fc.constantFrom(3, 40, 600))
  .map(([n, from, bytes]) => many("t")(n, from, bytes));
const change = fc.oneof(
  fill,
  rowid.map(
    (id) =>
      `INSERT OR REPLACE INTO t VALUES(${id}, 1, hex(zeroblob(${Number(id) % 7 === 0 ? 900 : 9})), 2)`,
  ),
  rowid.map((id) => `UPDATE t SET tail = tail + 1 WHERE id = ${id}`),
  rowid.map((id) => `UPDATE t SET a = a + 1, pad = 'é' WHERE id BETWEEN ${id} AND ${id} + 9`),
  rowid.map((id) => `DELETE FROM t WHERE id = ${id}`),
  rowid.map((id) => `DELETE FROM t WHERE id BETWEEN ${id} AND ${id} + 150`),
  rowid.map(
    (id) =>
      `INSERT INTO w SELECT i + ${id}, hex(zeroblob(20)) FROM (SELECT id AS i FROM t LIMIT 60)`,
  ),
  rowid.map((id) => `UPDATE w SET v = 'x' WHERE k = ${id}`),
  rowid.map((id) => `INSERT INTO l SELECT ${id} FROM t LIMIT 200`),
  rowid.map((id) => `INSERT INTO f VALUES('word${id} and more')`),
  fc.constantFrom(
    "UPDATE t SET tail = tail + 1 WHERE length(pad) > 500 AND id % 5 = 0",
    "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'pad, tail', 'pad, tail REAL'); PRAGMA writable_schema=RESET",
    ...["DELETE FROM l", "VACUUM", "DROP TABLE l", "CREATE TABLE l(a, b)", "DELETE FROM w"],
    ...[
      "ALTER TABLE t ADD COLUMN more DEFAULT 5",
      "DROP INDEX by_a",
      "DELETE FROM t WHERE id % 3 = 0",
    ],
  ),
);

describe("a diff that leaves out pages", () => {
  it("finds what a diff of all pages finds", async () => {
    let skipped = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(512, 1024, 4096),
        fc.array(change, { minLength: 3, maxLength: 12 }),
        fc.array(change, { maxLength: 5 }),
        fc.boolean(),
        async (pageSize, first, then, backwards) => {
          make([`PRAGMA page_size=${pageSize}`, ...TABLES, many("t")(300, 1, 30), ...first], then);
          const states = backwards ? statesOf(B, A) : statesOf();
          const whole = await withImages(states, false, linesOf);
          const reads = states.before.reads + states.after.reads;
          expect(await withImages(states, true, linesOf)).toBe(whole);
          if (states.before.reads + states.after.reads - reads < reads) skipped++;
        },
      ),
      { numRuns: Number(process.env["TRIALS"] ?? 200) },
    );
    expect(skipped).toBeGreaterThan(0);
  });

  it("reads less than 4 % of the pages where 1 % changed", async () => {
    const rows = 100_000;
    make(
      [
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, pad, tail)",
        "CREATE TABLE still(id INTEGER PRIMARY KEY, a, pad, tail)",
        many("t")(rows, 1, 140),
        many("still")(rows / 4, 1, 140),
        "CREATE INDEX by_a ON t(a)",
      ],
      // One row in each hundredth leaf: a leaf has 13 of them.
      [`UPDATE t SET pad = 'new' || substr(pad, 4), tail = 7 WHERE id % 1300 = 0`],
    );
    const states = statesOf();
    const count = states.after.pageCount;
    expect(count).toBeGreaterThan(9000);
    expect(states.changed.size / count).toBeGreaterThan(0.007);
    const summary = await withImages(states, true, summarize);
    expect(summary.tables).toEqual([
      expect.objectContaining({
        name: "t",
        added: 0,
        removed: 0,
        changed: Math.floor(rows / 1300),
      }),
    ]);
    const reads = states.before.reads + states.after.reads;
    // Each changed leaf twice on the later side and once on the other, and interior pages.
    expect(reads / count).toBeLessThan(0.04);
  });

  it("finds a value that was overwritten on an overflow page, where its leaf is as before", async () => {
    make(
      [TABLES[0]!, many("t")(2000, 1, 40), many("t")(20, 5000, 9000)],
      ["UPDATE t SET tail = tail + 1 WHERE id = 5007"],
    );
    const states = statesOf();
    // The header, and the last page of the value: no leaf.
    expect([...states.changed]).toHaveLength(2);
    const summary = await withImages(states, true, summarize);
    expect(summary.tables).toEqual([expect.objectContaining({ name: "t", changed: 1 })]);
  });

  it("needs no other rows where a value has new overflow pages", async () => {
    make(
      [TABLES[0]!, many("t")(20_000, 1, 140), many("t")(20, 50_000, 9000)],
      ["INSERT INTO t VALUES(60000, 1, hex(zeroblob(20000)), 2)", "DELETE FROM t WHERE id = 50003"],
    );
    const states = statesOf();
    const summary = await withImages(states, true, summarize);
    expect(summary.tables).toEqual([expect.objectContaining({ name: "t", added: 1, removed: 1 })]);
    expect(states.before.reads + states.after.reads).toBeLessThan(states.after.pageCount / 8);
  });
});
