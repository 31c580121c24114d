import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eraseFromFile } from "../../../src/cli/files/erase-file.ts";
import { type Erasure, hashKey } from "../../../src/format/tables/erasure.ts";
import { openErasedWith } from "../../../src/sqlite/engine/image.ts";
import { readSchema } from "../../../src/sqlite/tables.ts";
import { writeSql } from "../../../src/sqlite/sql/write-sql.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

/**
 * One loop erases rows, both in a file that the command line has opened and in pages that the Worker reads.
 * Both must delete exactly the named rows.
 */
const dir = mkdtempSync(join(tmpdir(), "nightjar-erase-"));
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true }));

let files = 0;
function made(sql: string, change: (database: DatabaseSync) => void = () => {}): string {
  const file = join(dir, `${files++}.db`);
  const database = new DatabaseSync(file, { defensive: false });
  change(database);
  database.exec(sql);
  database.close();
  return file;
}

function entry(table: string, column: string, key: string | Uint8Array): Erasure {
  const about = { format: 1, id: "x", database: "shop", at: "", who: "" } as const;
  return { ...about, table, column, salt: "salt", keyHash: hashKey("salt", key) };
}

/** Two ways to erase; each returns the remaining database, open in SQLite. */
const WAYS = {
  async file(file: string, entries: readonly Erasure[]): Promise<DatabaseSync> {
    await eraseFromFile(file, entries);
    return new DatabaseSync(file, { defensive: false });
  },
  async pages(file: string, entries: readonly Erasure[]): Promise<DatabaseSync> {
    const { image } = await openErasedWith(wasm, pagesOf(readFileSync(file)), entries);
    const chunks: Uint8Array[] = [];
    for await (const chunk of writeSql(image)) chunks.push(chunk);
    image.close();
    const database = new DatabaseSync(":memory:", { defensive: false });
    database.exec(Buffer.concat(chunks).toString());
    return database;
  },
} as const;
const ways = ["file", "pages"] as const;

function rows(database: DatabaseSync, sql: string): unknown[] {
  return database
    .prepare(sql)
    .all()
    .flatMap((row) => Object.values(row));
}

describe.each(ways)("erasing from %s", (way) => {
  const left = async (sql: string, entries: readonly Erasure[], ask: string, change?: any) =>
    rows(await WAYS[way](made(sql, change), entries), ask);

  it.each([
    ["email TEXT COLLATE NOCASE", "'Ann@example.com'", "'ann@example.com'", "ann@example.com"],
    ["email TEXT COLLATE NOCASE UNIQUE", "'ANN'", "'ann '", "ann "],
    ["email TEXT COLLATE RTRIM", "'ann '", "'ann'", "ann"],
    ["email TEXT COLLATE RTRIM PRIMARY KEY", "'bob'", "'ann   '", "ann   "],
    ["email", "1", "1.0", "1.0"],
    ["email", "1.0", "1", "1"],
    ["email", "1.0", "'1'", "1"],
    ["email NUMERIC", "10", "1", "1"],
    ["email REAL", "1.5", "1", "1.0"],
    ["email REAL", "0.1", "0.1+0.2", "0.3"],
    ["email", "9007199254740992.0", "9007199254740992", "9007199254740992"],
    ["email", "x'414e4e'", "x'616e6e'", "ann"],
    ["email TEXT", "'\u00e9'", "'e\u0301'", "e\u0301"],
    ["email TEXT COLLATE NOCASE", "'\u00c4nn'", "'\u00e4nn'", "\u00e4nn"],
  ])("deletes exactly the row named in %s: not %s but %s", async (column, kept, gone, key) => {
    for (const rest of ["", " WITHOUT ROWID"]) {
      if (rest !== "" && column.includes("PRIMARY")) continue;
      const primary = rest === "" ? "" : ", PRIMARY KEY (v)";
      const sql = `CREATE TABLE t (v, ${column}${primary})${rest}; CREATE INDEX ti ON t (email);
        INSERT INTO t VALUES (1, ${kept}), (2, ${gone}), (3, NULL)`;
      expect(await left(sql, [entry("T", "EMAIL", key)], "SELECT v FROM t ORDER BY v")).toEqual([
        1, 3,
      ]);
    }
  });

  it.each([
    ["a trigger that writes the row again", "INSERT INTO t VALUES (old.id, old.v)"],
    ["a trigger that calls an unknown function", "INSERT INTO log VALUES (uuid())"],
    ["a trigger that deletes other rows", "DELETE FROM t; DELETE FROM log"],
    ["a trigger that refuses", "SELECT RAISE(ABORT, 'never')"],
    ["a trigger that writes to a missing table", "INSERT INTO nowhere VALUES (1)"],
  ])("is not moved by %s, which is kept", async (_, body) => {
    const sql = `CREATE TABLE t (id, v); CREATE TABLE log (v); INSERT INTO log VALUES (9);
      INSERT INTO t VALUES (1, 'a'), (2, 'b');
      CREATE TRIGGER gone BEFORE DELETE ON t BEGIN ${body}; END;
      CREATE INDEX late ON t (v);`;
    const database = await WAYS[way](made(sql), [entry("t", "id", "1")]);
    expect(rows(database, "SELECT id FROM t")).toEqual([2]);
    expect(rows(database, "SELECT v FROM log")).toEqual([9]);
    expect(
      rows(database, "SELECT name FROM sqlite_schema WHERE type <> 'table' ORDER BY 1"),
    ).toEqual(["gone", "late"]);
    expect(rows(database, "PRAGMA integrity_check")).toEqual(["ok"]);
  });

  it("cascades to nobody, and asks no module that it does not need", async () => {
    const sql = `PRAGMA foreign_keys=ON; CREATE TABLE t (id INTEGER PRIMARY KEY);
      CREATE TABLE child (t REFERENCES t(id) ON DELETE CASCADE);
      INSERT INTO t VALUES (1), (2); INSERT INTO child VALUES (1);
      PRAGMA writable_schema=ON;
      INSERT INTO sqlite_schema VALUES ('table', 'vec', 'vec', 0, 'CREATE VIRTUAL TABLE vec USING unknown(a)');
      INSERT INTO sqlite_schema VALUES ('table', 'old', 'old', 0, 'CREATE VIRTUAL TABLE old USING fts4(a)');`;
    const file = made(sql);
    if (way === "pages") {
      const { image, erased } = await openErasedWith(wasm, pagesOf(readFileSync(file)), [
        entry("t", "id", "1"),
      ]);
      expect(erased.tables).toEqual([{ table: "t", rows: 1 }]);
      expect(await image.rows("SELECT t FROM child", (row) => row.text(0))).toEqual(["1"]);
      image.close();
    } else {
      const database = await WAYS[way](file, [entry("t", "id", "1")]);
      expect(rows(database, "SELECT t FROM child UNION ALL SELECT id FROM t")).toEqual([1, 2]);
    }
  });

  it("takes the words out of an index over a table, or over a view of it", async () => {
    const sql = `CREATE TABLE posts (id INTEGER PRIMARY KEY, who, body);
      CREATE VIEW "by view" AS SELECT id, body FROM posts;
      CREATE VIRTUAL TABLE search USING fts5(body, content='Posts', content_rowid='id');
      CREATE VIRTUAL TABLE seen USING fts5(body, content="by view", content_rowid='id');
      CREATE TRIGGER ad AFTER DELETE ON posts BEGIN
        INSERT INTO search(search, rowid, body) VALUES ('delete', old.id, old.body); END;
      INSERT INTO posts VALUES (1, 'ann', 'plain words'), (2, 'bob', 'unmistakable confession');
      INSERT INTO search(search) VALUES ('rebuild'); INSERT INTO seen(seen) VALUES ('rebuild');`;
    const database = await WAYS[way](made(sql), [entry("posts", "who", "bob")]);
    for (const index of ["search", "seen"]) {
      const found = (word: string) =>
        rows(database, `SELECT rowid FROM ${index} WHERE ${index} MATCH '${word}'`);
      expect([found("plain"), found("confession")]).toEqual([[1], []]);
      const blocks = rows(database, `SELECT hex(block) FROM ${index}_data`).join();
      expect(blocks).not.toContain(Buffer.from("confession").toString("hex").toUpperCase());
    }
  });

  it("gives nothing where triggers filled an index that nobody names", async () => {
    const sql = `CREATE TABLE posts (id INTEGER PRIMARY KEY, who, body);
      CREATE VIRTUAL TABLE search USING fts5(who, body);
      CREATE TRIGGER ai AFTER INSERT ON posts BEGIN
        INSERT INTO "Search"(rowid, who, body) VALUES (new.id, new.who, new.body); END;
      INSERT INTO posts VALUES (1, 'ann', 'plain'), (2, 'bob', 'confession');`;
    const posts = entry("posts", "who", "bob");
    await expect(WAYS[way](made(sql), [posts])).rejects.toMatchObject({
      code: "ERASURE_FAILED",
      message: expect.stringContaining("index search is filled by triggers of posts") as string,
    });
    const database = await WAYS[way](made(sql), [posts, entry("search", "who", "bob")]);
    expect(rows(database, "SELECT body FROM search")).toEqual(["plain"]);
    expect(rows(database, "SELECT rowid FROM search WHERE search MATCH 'confession'")).toEqual([]);
  });

  it("writes nothing where no row is named", async () => {
    const sql = `CREATE TABLE t (id); INSERT INTO t VALUES (1);
      CREATE VIEW v AS SELECT id FROM t; CREATE TRIGGER tv INSTEAD OF DELETE ON v BEGIN DELETE FROM t; END;`;
    const entries = [entry("v", "id", "1"), entry("t", "id", "2"), entry("none", "id", "1")];
    expect(await left(sql, entries, "SELECT id FROM t")).toEqual([1]);
  });

  it("deletes the same rows as a comparison of bytes, whatever they are", async () => {
    const value = fc.oneof(
      fc.constantFrom(
        "1",
        "1.0",
        "'1'",
        "x'31'",
        "'1 '",
        "'a'",
        "'A'",
        "'a '",
        "NULL",
        "''",
        "-0.0",
      ),
      fc.integer({ min: -3, max: 3 }).map(String),
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((real) => `(${real}e0)`.replace(/e([+-]\d+)e0/, "e$1")),
    );
    const column = fc.constantFrom(
      "k",
      "k TEXT",
      "k TEXT COLLATE NOCASE",
      "k REAL",
      "k INTEGER",
      "k BLOB COLLATE RTRIM",
    );
    await fc.assert(
      fc.asyncProperty(
        column,
        fc.array(value, { minLength: 1, maxLength: 12 }),
        fc.nat(),
        async (type, values, pick) => {
          const file = made(
            `CREATE TABLE t (v INTEGER PRIMARY KEY, ${type}); CREATE INDEX ti ON t (k);
           INSERT INTO t (k) VALUES ${values.map((one) => `(${one})`).join(",")}`,
          );
          const before = new DatabaseSync(file);
          const all = before
            .prepare(
              "SELECT v, CAST(iif(typeof(k) = 'real', printf('%!.15g', k), CAST(k AS TEXT)) AS BLOB) AS k FROM t",
            )
            .all() as { v: number; k: Uint8Array | null }[];
          before.close();
          const key = all[pick % all.length]!.k;
          if (key === null) return;
          const kept = all.filter(({ k }) => k === null || Buffer.compare(k, key) !== 0);
          const database = await WAYS[way](file, [entry("t", "k", key)]);
          expect(rows(database, "SELECT v FROM t")).toEqual(kept.map(({ v }) => v));
        },
      ),
      { numRuns: Number(process.env["TRIALS"] ?? 15) },
    );
  });
});

describe("erasing from pages", () => {
  it("needs no function of an index of the table", async () => {
    const file = made(
      "CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
      (database) => database.function("mystery", { deterministic: true }, String),
    );
    const database = new DatabaseSync(file);
    database.function("mystery", { deterministic: true }, String);
    database.exec("CREATE INDEX ti ON t (mystery(v))");
    database.close();
    const { image } = await openErasedWith(wasm, pagesOf(readFileSync(file)), [
      entry("t", "id", "1"),
    ]);
    expect(await image.rows("SELECT id FROM t NOT INDEXED", (row) => row.text(0))).toEqual(["2"]);
    const schema = await readSchema(image);
    expect(schema.find(({ name }) => name === "ti")?.sql).toBe("CREATE INDEX ti ON t (mystery(v))");
    image.close();
  });

  it("names the table whose module is missing", async () => {
    const file = made(`CREATE VIRTUAL TABLE old USING fts4(who); INSERT INTO old VALUES ('bob')`);
    await expect(
      openErasedWith(wasm, pagesOf(readFileSync(file)), [entry("old", "who", "bob")]),
    ).rejects.toMatchObject({
      code: "ERASURE_FAILED",
      message: expect.stringMatching(/old.*no such module: fts4/) as string,
    });
    const over = made(`CREATE TABLE posts (id INTEGER PRIMARY KEY, who, body);
      CREATE VIRTUAL TABLE words USING fts4(body, content="posts");
      INSERT INTO posts VALUES (1, 'bob', 'x')`);
    await expect(
      openErasedWith(wasm, pagesOf(readFileSync(over)), [entry("posts", "who", "bob")]),
    ).rejects.toMatchObject({
      code: "ERASURE_FAILED",
      message: expect.stringMatching(/index words keeps words.*no such module: fts4/) as string,
    });
  });
});
