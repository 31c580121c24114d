import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Bound } from "../../../src/cli/sqlite/database.ts";
import { isNativeGuarded } from "../../../src/cli/sqlite/native.ts";
import { openGuarded, type Use } from "../../../src/cli/sqlite/open-guarded.ts";

/** The SQLite of Node and the one in WebAssembly, which the command line has where Node's cannot be used. */
let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-sqlite-"));
  file = join(dir, "made.db");
});
afterEach(() => rmSync(dir, { recursive: true }));

const open = (isNative: boolean, use: Use = "write", copy?: string) =>
  openGuarded(file, use, copy, isNative);

/** Open what was made with another SQLite: it is a file like any other. */
function reread<T>(read: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return read(database);
  } finally {
    database.close();
  }
}

const value: fc.Arbitrary<Bound> = fc.oneof(
  fc.constant(null),
  fc.double({ noNaN: true }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.string({ unit: "binary", maxLength: 40 }).filter((text) => text.isWellFormed()),
  fc.constantFrom("\ufeffmarked", "a\0b", "", "x".repeat(9000)),
  fc.uint8Array({ maxLength: 6000 }),
);

describe("which of them is used", () => {
  it("is Node's own, where it can be guarded", () => {
    expect(["20.20.2", "22.22.0", "24.9.0"].map(isNativeGuarded)).toEqual([false, false, false]);
    expect(["24.10.0", "24.21.0", "25.0.0"].map(isNativeGuarded)).toEqual([true, true, true]);
  });
});

describe.each([true, false])("a file that is opened (native: %s)", (isNative) => {
  it("keeps every value as it was bound, for any other SQLite", async () => {
    const values = fc.sample(value, 300);
    const database = await open(isNative);
    database.exec("PRAGMA journal_mode=OFF; CREATE TABLE t(a); BEGIN");
    const insert = database.prepare("INSERT INTO t VALUES(?)");
    for (const one of values) insert.run(one);
    database.exec("COMMIT; CREATE INDEX i ON t(a)");
    const found = [...database.prepare("SELECT a FROM t ORDER BY rowid").cells()].map(([a]) => a);
    database.close();
    const near = (one: Bound) =>
      typeof one === "bigint" && Number.isSafeInteger(Number(one)) ? Number(one) : one;
    expect(found).toEqual(values.map(near));
    reread((other) => {
      const statement = other.prepare("SELECT a FROM t ORDER BY rowid");
      statement.setReadBigInts(true);
      expect(statement.all().map(({ a }) => a)).toEqual(values);
      expect(other.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    });
    expect(readdirSync(dir)).toEqual(["made.db"]);
  });

  it("is read, and is not changed by it, whatever its journal", async () => {
    for (const mode of ["WAL", "DELETE"]) {
      rmSync(file, { force: true });
      const other = new DatabaseSync(file);
      other.exec(`PRAGMA journal_mode=${mode}; CREATE TABLE t(a, b); INSERT INTO t VALUES(1, 'x')`);
      other.close();
      const before = readFileSync(file);
      const database = await open(isNative, "read");
      expect(database.prepare("SELECT * FROM t WHERE a = ?").get(1n)).toEqual({ a: 1, b: "x" });
      expect(database.prepare("SELECT * FROM t WHERE a = ?").get(2n)).toBeUndefined();
      expect(() => database.exec("INSERT INTO t VALUES(2, 'y')")).toThrow(/readonly/);
      database.close();
      expect(readFileSync(file).equals(before)).toBe(true);
    }
  });

  it("is written, also where it had a WAL, and leaves nothing beside it", async () => {
    const other = new DatabaseSync(file);
    other.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    other.close();
    for (const mode of ["DELETE", "OFF"]) {
      const database = await open(isNative);
      database.exec(`PRAGMA journal_mode=${mode}; BEGIN; INSERT INTO t VALUES(2); COMMIT`);
      database.close();
    }
    expect(reread((again) => again.prepare("SELECT count(*) AS n FROM t").get())).toEqual({ n: 3 });
    expect(readdirSync(dir)).toEqual(["made.db"]);
  });

  it("is rolled back where it is closed within a transaction", async () => {
    const database = await open(isNative);
    database.exec("CREATE TABLE t(a); BEGIN; INSERT INTO t VALUES(1)");
    database.close();
    expect(reread((again) => again.prepare("SELECT count(*) AS n FROM t").get())).toEqual({ n: 0 });
    expect(readdirSync(dir)).toEqual(["made.db"]);
  });

  it("sorts more than fits into memory", async () => {
    const database = await open(isNative);
    database.exec(`PRAGMA journal_mode=OFF; PRAGMA temp_store=FILE; CREATE TABLE t(a, b);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
      INSERT INTO t SELECT (i * 7919) % 300007, hex(zeroblob(200)) FROM n;
      CREATE INDEX i ON t(b, a)`);
    database.close();
    reread((other) => {
      expect(other.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    });
    expect(readdirSync(dir)).toEqual(["made.db"]);
  });

  it("says why a file cannot be read or written", async () => {
    writeFileSync(file, "this is no database, whatever it is called".repeat(100));
    const database = await open(isNative, "read").catch((error: unknown) => error as Error);
    const read = () => {
      if (database instanceof Error) throw database;
      database.prepare("SELECT * FROM sqlite_schema").all();
    };
    expect(read).toThrow(/not a database/);
    if (!(database instanceof Error)) database.close();
    rmSync(file);
    await expect(open(isNative, "read")).rejects.toThrow(/unable to open database file/);
  });

  it("survives a statement that is nested too deeply", async () => {
    const database = await open(isNative);
    database.exec("CREATE TABLE t(a)");
    const deep = `SELECT ${"(".repeat(40_000)}1${")".repeat(40_000)}`;
    expect(() => database.exec(deep)).toThrow(/./);
    database.close();
    expect(readdirSync(dir)).toEqual(["made.db"]);
  });
});
