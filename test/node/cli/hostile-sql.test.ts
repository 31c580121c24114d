import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkFile } from "../../../src/cli/files/check-file.ts";
import { openGuarded } from "../../../src/cli/sqlite/open-guarded.ts";
import { loadSql } from "../../../src/cli/files/load-sql.ts";
import type { Found, RestoreOptions } from "../../../src/cli/restore/options.ts";
import { DumpInspector } from "../../../src/format/dump/inspector.ts";
import { EVERYTHING, type Selection } from "../../../src/format/tables/selection.ts";

/** SQL and files that reach for more than their own database, on the machine that restores them. */
const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";
const TABLE = "CREATE TABLE IF NOT EXISTS t(a);\nINSERT INTO t(rowid,a) VALUES(1,2);\n";
const VIRTUAL =
  "PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','v','v',0,'";
const encode = (text: string) => new TextEncoder().encode(text);

let dir: string;
let canary: Buffer;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-hostile-"));
  new DatabaseSync(join(dir, "canary.db")).exec(
    "CREATE TABLE precious(a); INSERT INTO precious VALUES(1)",
  );
  canary = readFileSync(join(dir, "canary.db"));
});
afterEach(() => {
  expect(readFileSync(join(dir, "canary.db")).equals(canary)).toBe(true);
  expect(readdirSync(dir).filter((name) => !/^(canary|made)\.db$/.test(name))).toEqual([]);
  rmSync(dir, { recursive: true });
});

async function* whole(text: string): AsyncIterable<Uint8Array> {
  yield encode(text);
}

/** Load the SQL with both of the SQLites that the command line has. */
async function load(sql: string, kind: "dump" | "written", selection: Selection = EVERYTHING) {
  const failures: unknown[] = [];
  for (const isNative of [true, false]) {
    rmSync(join(dir, "made.db"), { force: true });
    const database = await openGuarded(join(dir, "made.db"), "write", undefined, isNative);
    try {
      await loadSql(whole(sql), kind, undefined, database, selection, true);
    } catch (error) {
      failures.push(error);
    } finally {
      database.close();
    }
  }
  expect(failures.length, `${sql}: ${String(failures[0])}`).not.toBe(1);
  if (failures.length > 0) throw failures[1];
}

function inspect(sql: string) {
  const inspector = new DumpInspector();
  inspector.push(encode(sql));
  return inspector.end();
}

const HOSTILE = (canaryFile: string): readonly string[] => [
  `ATTACH '${canaryFile}' AS x;`,
  `ATTACH ''||'${canaryFile}' AS x;`,
  "DETACH main;",
  `VACUUM INTO '${canaryFile}2';`,
  "VACUUM;",
  "SELECT load_extension('x');",
  "SELECT writefile('pwned','x');",
  "INSERT INTO t VALUES(writefile('pwned','x'));",
  "INSERT INTO t(rowid,a) VALUES(1,(SELECT 1));",
  "INSERT INTO t SELECT 1;",
  "INSERT INTO t VALUES(1) ON CONFLICT DO NOTHING;",
  "INSERT INTO t VALUES(1),(2);",
  "INSERT INTO t VALUES(-9223372036854775808--1);",
  "INSERT INTO sqlite_dbpage VALUES(1,X'00');",
  "INSERT INTO elsewhere(rowid,a) VALUES(1,2);",
  "INSERT INTO main.t VALUES(1);",
  "REPLACE INTO t VALUES(1);",
  "UPDATE t SET a=1;",
  "DELETE FROM t;",
  "DROP TABLE t;",
  "ALTER TABLE t RENAME TO u;",
  "PRAGMA temp_store_directory='/tmp';",
  "PRAGMA writable_schema = ON;",
  "BEGIN TRANSACTION;",
  "SAVEPOINT s;",
  "REINDEX;",
  "CREATE TABLE u AS SELECT writefile('pwned','x');",
  "CREATE TABLE IF NOT EXISTS u AS SELECT 1;",
  "CREATE TEMP TABLE u(a);",
  "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;",
  "CREATE VIRTUAL TABLE u USING fts5(a);",
  "CREATE VIEW w AS SELECT $a(');",
  "CREATE VIEW w AS SELECT @a::b(;)\n.read x;",
  "CREATE\u000bTRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;",
  "\u{feff}CREATE VIEW w AS SELECT 1;",
  "CREATE VIEW w AS SELECT '\0';",
  "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; ATTACH 'x' AS y; END;",
  `${VIRTUAL}CREATE VIRTUAL TABLE v USING fts5(a /*');\nATTACH '${canaryFile}' AS x;\nDROP TABLE IF EXISTS x.precious;\n--*/)');`,
  `${VIRTUAL}CREATE VIRTUAL TABLE v USING fts5(a /*');\nINSERT INTO t(rowid,a) VALUES(9,9);\n--*/)');`,
  `${VIRTUAL}CREATE VIRTUAL TABLE v USING fts5(a, $a(;))');`,
  `${VIRTUAL}CREATE VIRTUAL TABLE v USING fts5(a); ATTACH ''x'' AS y');`,
  `${VIRTUAL}CREATE VIEW v AS SELECT 1');`,
  `${VIRTUAL}CREATE VIRTUAL TABLE other USING fts5(a)');`,
  "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('trigger','r','t',0,'CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END');",
  "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','v','v',0,load_extension('x'));",
];

describe("a dump with a statement that no server's exporter writes", () => {
  it("is refused at capture, and by the command line", async () => {
    for (const sql of HOSTILE(join(dir, "canary.db"))) {
      const dump = `${HEAD}${TABLE}${sql}\nCOMMIT;\n`;
      expect(() => inspect(dump), sql).toThrow(expect.objectContaining({ code: "DUMP_UNSAFE" }));
      await expect(load(dump, "dump"), sql).rejects.toMatchObject({ code: "DUMP_UNSAFE" });
      const some = { tables: new Set(["t"]), schema: true, rows: true };
      await expect(load(dump, "dump", some), sql).rejects.toMatchObject({ code: "DUMP_UNSAFE" });
    }
  });

  it("is told without control characters", () => {
    const dump = `${HEAD}\u001b]0;owned\u0007 ATTACH;\nCOMMIT;\n`;
    expect(() => inspect(dump)).toThrow(/^[^\p{Cc}]*$/u);
  });
});

describe("SQL that says it is Nightjar's own", () => {
  it("touches nothing but the file that is made", async () => {
    for (const sql of HOSTILE(join(dir, "canary.db")))
      await load(`${HEAD}${TABLE}${sql}\nCOMMIT;\n`, "written").catch(() => undefined);
    const reaching = HOSTILE(join(dir, "canary.db")).slice(0, 8);
    for (const sql of reaching)
      await expect(load(`${HEAD}${sql}\nCOMMIT;\n`, "written"), sql).rejects.toThrow(
        "did not load",
      );
  });
});

describe.each([true, false])("a guarded database (native: %s)", (isNative) => {
  it("lets nothing reach another file, whoever runs it", async () => {
    const path = join(dir, "made.db");
    new DatabaseSync(path).exec("CREATE TABLE t(a); INSERT INTO t VALUES(3)");
    for (const use of ["write", "read"] as const) {
      const copy = use === "write" ? join(dir, "copy.db") : undefined;
      const database = await openGuarded(path, use, copy, isNative);
      for (const sql of HOSTILE(join(dir, "canary.db")).slice(0, 4))
        expect(() => database.exec(sql), `${use} ${sql}`).toThrow(/authoriz/);
      for (const sql of HOSTILE(join(dir, "canary.db")).slice(5, 8))
        expect(() => database.exec(sql), `${use} ${sql}`).toThrow(/authorized|no such function/);
      if (copy !== undefined) {
        database.prepare("VACUUM main INTO ?").run(copy);
        expect(new DatabaseSync(copy).prepare("SELECT a FROM t").all()).toEqual([{ a: 3 }]);
        rmSync(copy);
      }
      database.close();
    }
  });
});

describe("a file whose schema holds more than one statement in a row", () => {
  it("runs none of it when it is checked, and is told of", async () => {
    const path = join(dir, "made.db");
    const source = new DatabaseSync(path, { defensive: false });
    source.exec(`CREATE TABLE t(a); INSERT INTO t VALUES(1); CREATE VIEW v AS SELECT 1;
      CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;
      CREATE VIRTUAL TABLE f USING fts5(a); CREATE VIRTUAL TABLE b USING rtree(id, x, y);
      PRAGMA writable_schema=ON;
      UPDATE sqlite_schema SET sql = sql || '; ATTACH ''${join(dir, "canary.db")}'' AS x; DROP TABLE x.precious' WHERE name IN ('v', 'r')`);
    source.close();
    const options = { verify: true, schemaOnly: false } as RestoreOptions;
    const found = { tables: [{ name: "t", rows: 1 }], erasures: [] } as unknown as Found;
    expect(await checkFile(path, found, options)).toMatchObject({
      integrity: "ok",
      rows: 1,
      notes: [
        expect.stringContaining("The text of the view v in the schema is not one CREATE statement"),
        expect.stringContaining("The text of the trigger r in the schema"),
      ],
    });
  });

  it("is not changed by being checked", async () => {
    const path = join(dir, "made.db");
    new DatabaseSync(path).exec("CREATE TABLE t(a)");
    const before = readFileSync(path);
    await checkFile(
      path,
      { tables: undefined, erasures: [] } as unknown as Found,
      { verify: true } as RestoreOptions,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
    writeFileSync(path, before);
  });
});
