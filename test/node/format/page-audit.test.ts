import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyDatabase } from "../../../src/format/pages/database-header.ts";
import { lockPage } from "../../../src/format/pages/page.ts";
import { PageAudit } from "../../../src/format/pages/page-audit.ts";
import { audit, finding, integrityCheck, makeDatabase, ROWS } from "../../support/audited.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-audit-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const INDEXES = Array.from(
  { length: 40 },
  (_, n) => `CREATE INDEX by_${n} ON many (substr(v, ${n % 9}), id);`,
).join("\n");

const FREED = `
  CREATE TABLE dropped (id INTEGER PRIMARY KEY, v); CREATE TABLE thinned (id INTEGER PRIMARY KEY, v);
  CREATE INDEX by_v ON thinned (v); CREATE TABLE emptied (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  INSERT INTO dropped ${ROWS(30_000)} SELECT i, hex(randomblob(30)) FROM n;
  INSERT INTO thinned SELECT * FROM dropped; INSERT INTO emptied SELECT * FROM dropped;
  INSERT INTO dropped ${ROWS(20)} SELECT -i, randomblob(100000) FROM n;
  DROP TABLE dropped; DELETE FROM thinned WHERE id % 7; DELETE FROM emptied;
  CREATE TABLE later (id INTEGER PRIMARY KEY, v);
  INSERT INTO later ${ROWS(500)} SELECT i, hex(i) FROM n;`;

const LARGE = `
  CREATE TABLE large (id INTEGER PRIMARY KEY, v); CREATE INDEX by_large ON large (v);
  CREATE TABLE keyed (k PRIMARY KEY, v) WITHOUT ROWID;
  INSERT INTO large ${ROWS(60)} SELECT i, zeroblob(i * 1000) FROM n;
  INSERT INTO large SELECT i + 1000, randomblob(200000) FROM (${ROWS(20)} SELECT i FROM n);
  INSERT INTO keyed SELECT v, id FROM large;`;

/** Statements that make databases of many kinds. */
const DATABASES: Record<string, string> = {
  "an empty one of one page": "CREATE TABLE t (v); DROP TABLE t; VACUUM;",
  "large rows, in indexes too": LARGE,
  "rows of each length around those that overflow": `
    CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON t (v);
    INSERT INTO t ${ROWS(2600)} SELECT i, zeroblob(i) FROM n;`,
  "rowids at the ends of their range": `
    CREATE TABLE t (id INTEGER PRIMARY KEY, v);
    INSERT INTO t ${ROWS(3000)} SELECT (i - 1500) * 6148914691236, hex(i) FROM n;
    INSERT INTO t ${ROWS(3000)} SELECT 9223372036854775807 - i, hex(i) FROM n;
    INSERT INTO t ${ROWS(3000)} SELECT -9223372036854775807 + i, hex(i) FROM n;
    INSERT INTO t ${ROWS(3000)} SELECT i - 40000, hex(i) FROM n;`,
  "tables without rowids": `
    CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    INSERT INTO keyed ${ROWS(20_000)} SELECT hex(i) || hex(randomblob(20)), i FROM n;`,
  "many indexes": `CREATE TABLE many (id INTEGER PRIMARY KEY, v);
    INSERT INTO many ${ROWS(2000)} SELECT i * 1000003, hex(i) FROM n; ${INDEXES}`,
  "a freelist of several trunks": FREED,
  "all rows deleted": `${LARGE} DELETE FROM large; DELETE FROM keyed;`,
  vacuumed: `${FREED} VACUUM;`,
  "with auto_vacuum": `PRAGMA auto_vacuum = FULL; ${FREED} ${LARGE} DELETE FROM large WHERE id % 3;`,
  "with incremental_vacuum": `PRAGMA auto_vacuum = INCREMENTAL; ${FREED} ${LARGE}
    DELETE FROM large WHERE id % 3; PRAGMA incremental_vacuum(50);`,
  "a search index": `CREATE VIRTUAL TABLE found USING fts5(body);
    INSERT INTO found ${ROWS(3000)} SELECT hex(randomblob(50)) || ' word' || i FROM n;
    DELETE FROM found WHERE rowid % 3 = 0;`,
  "in WAL mode": `PRAGMA journal_mode = WAL; ${FREED} PRAGMA wal_checkpoint(TRUNCATE);`,
};

describe("the audit finds nothing wrong, and counts the rows SQLite counts, in a database with", () => {
  for (const [name, sql] of Object.entries(DATABASES))
    for (const pageSize of [512, 1024, 4096, 65_536])
      it(`${name}, in pages of ${pageSize} bytes`, async () => {
        const made = await makeDatabase(join(dir, `${name}-${pageSize}.db`), pageSize, sql);
        expect(await audit(made)).toEqual(made.rows);
      });

  it("nothing ever written to it, as libSQL makes one", async () => {
    const made = { pageSize: 4096, pageCount: 1, file: emptyDatabase(4096), roots: [] };
    expect(await audit({ ...made, rows: new Map() })).toEqual(new Map([[1, 0]]));
  });
});

/** One step of a history: create a table or index, or insert, change or delete rows. */
const step = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom("table", "keyed", "index", "drop", "vacuum") },
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom("insert", "update", "delete"),
      fc.integer({ min: 1, max: 120 }),
      fc.constantFrom(0, 3, 30, 300, 3000, 30_000),
      fc.nat(1000),
    ),
  },
);

/** Build the statements of a history; those that name a missing table do nothing. */
function statements(steps: readonly (string | [string, number, number, number])[]): string[] {
  const tables = ["a"];
  let made = 0;
  const sql = ["CREATE TABLE a (id INTEGER PRIMARY KEY, v)"];
  for (const [turn, one] of steps.entries()) {
    const table = tables[turn % tables.length]!;
    if (one === "table" || one === "keyed") {
      const name = `t${made++}`;
      tables.push(name);
      const keyed = "(id INT PRIMARY KEY, v) WITHOUT ROWID";
      sql.push(`CREATE TABLE ${name} ${one === "keyed" ? keyed : "(id INTEGER PRIMARY KEY, v)"}`);
    } else if (one === "index") sql.push(`CREATE INDEX i${made++} ON ${table} (v)`);
    else if (one === "drop" && tables.length > 1) sql.push(`DROP TABLE ${tables.pop()}`);
    else if (one === "vacuum") sql.push(turn % 2 ? "VACUUM" : "PRAGMA incremental_vacuum(3)");
    else if (typeof one !== "string") {
      const [what, rows, size, from] = one;
      const value = `substr(hex(i * 7919) || hex(zeroblob(${size})), 1, ${size} + i % 40)`;
      const id = `i * ${1 + (from % 5)} + ${from}`;
      if (what === "insert")
        sql.push(`INSERT OR REPLACE INTO ${table} ${ROWS(rows)} SELECT ${id}, ${value} FROM n`);
      else if (what === "update")
        sql.push(`UPDATE ${table} SET v = substr(v || v, 3) WHERE id % ${1 + (rows % 9)} = 0`);
      else sql.push(`DELETE FROM ${table} WHERE id % ${2 + (rows % 5)}`);
    }
  }
  return sql;
}

it("finds nothing wrong after any history of a database", async () => {
  const history = fc.record({
    pageSize: fc.constantFrom(512, 1024, 4096, 65_536),
    vacuum: fc.constantFrom("NONE", "FULL", "INCREMENTAL"),
    steps: fc.array(step, { minLength: 1, maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(history, async ({ pageSize, vacuum, steps }) => {
      const sql = [`PRAGMA auto_vacuum = ${vacuum}`, ...statements(steps)];
      const made = await makeDatabase(join(dir, "history.db"), pageSize, sql);
      expect(integrityCheck(join(dir, "history-checked.db"), made.file)).toEqual([]);
      expect(await audit(made)).toEqual(made.rows);
    }),
    { numRuns: 150 },
  );
});

it("supports bytes that are reserved at the end of each page", async () => {
  // A page that ends 16 bytes earlier: SQLite takes the reserved bytes from an empty database's header.
  const path = join(dir, "reserved.db");
  const empty = emptyDatabase(1024);
  empty[20] = 16;
  new DataView(empty.buffer).setUint16(105, 1024 - 16);
  expect(integrityCheck(path, empty)).toEqual([]);
  const made = await makeDatabase(path, 1024, `${LARGE} ${FREED}`, empty);
  expect(made.file[20]).toBe(16);
  expect(await audit(made)).toEqual(made.rows);
});

describe("the lock page", () => {
  /** Audit a database of free pages beyond 1 GiB: trunks on pages 2 and 3 list all others. */
  async function run(withLock: boolean, listed: (leaves: number[]) => void = () => {}) {
    const pageSize = 65_536;
    const lock = lockPage(pageSize);
    const pageCount = lock + 100;
    const leaves = Array.from({ length: pageCount - 3 }, (_, at) => at + 4);
    leaves.splice(leaves.indexOf(lock), 1);
    listed(leaves);
    const trunks = [leaves.slice(0, 16_000), leaves.slice(16_000)].map((some, at) => {
      const view = new DataView(new ArrayBuffer(pageSize));
      [at === 0 ? 3 : 0, some.length, ...some].forEach((n, word) => view.setUint32(4 * word, n));
      return new Uint8Array(view.buffer);
    });
    const first = emptyDatabase(pageSize);
    const header = new DataView(first.buffer);
    header.setUint32(28, pageCount);
    header.setUint32(32, 2);
    header.setUint32(36, leaves.length + 2);
    const blank = new Uint8Array(pageSize);
    const pageAudit = new PageAudit({ pageSize, pageCount });
    const pages = [first, ...trunks];
    for (let pgno = 1; pgno <= pageCount; pgno++)
      if (withLock || pgno !== lock) pageAudit.add(pgno, pages[pgno - 1] ?? blank);
    return pageAudit.finish([], (pgno) => Promise.resolve(pages[pgno - 1]!));
  }

  it("belongs to nobody, and may be left out", async () => {
    await expect(run(true)).resolves.toEqual(new Map([[1, 0]]));
    await expect(run(false)).resolves.toEqual(new Map([[1, 0]]));
  });

  it("is not to be used", async () => {
    const use = (leaves: number[]) => (leaves[77] = lockPage(65_536));
    await expect(run(true, use)).rejects.toThrow("page 16385 as a free page, but that is the lock");
  });
});

it("keeps few bytes for each page", async () => {
  const sql = `CREATE TABLE t (id INTEGER PRIMARY KEY, v);
    INSERT INTO t ${ROWS(700_000)} SELECT i, hex(i) FROM n;`;
  const made = await makeDatabase(join(dir, "memory.db"), 512, sql);
  const pageAudit = new PageAudit(made);
  for (let pgno = 1; pgno <= made.pageCount; pgno++)
    pageAudit.add(pgno, made.file.subarray((pgno - 1) * 512, pgno * 512));
  expect(pageAudit.memory / made.pageCount).toBeLessThan(40);
  expect(await audit(made)).toEqual(made.rows);
  expect(await finding({ ...made, roots: [] })).toBe("Page 2 is used by nothing.");
});
