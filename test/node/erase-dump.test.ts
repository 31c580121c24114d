import { describe, expect, it } from "vitest";
import { eraseFromDump } from "../../src/format/erase-dump.ts";
import { type Erased, type Erasure, hashKey } from "../../src/format/erasure.ts";

const HEAD = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";

function entry(table: string, column: string, key: string): Erasure {
  const at = "2026-11-21T00:00:00.000Z";
  const salted = { salt: "salt", keyHash: hashKey("salt", key) };
  return {
    format: 1,
    id: "0123456789ab",
    database: "shop",
    table,
    column,
    ...salted,
    at,
    who: "x",
  };
}

/** What is left of a dump, and what the list has done to it. */
async function erase(dump: string, ...entries: Erasure[]): Promise<{ sql: string } & Erased> {
  let report: Erased | undefined;
  let sql = "";
  const bytes = [new TextEncoder().encode(`${HEAD}${dump}COMMIT;\n`)].values();
  const chunks = async function* () {
    yield* bytes;
  };
  for await (const chunk of eraseFromDump(chunks(), entries, (erased) => (report = erased)))
    sql += new TextDecoder().decode(chunk);
  return { sql, ...report! };
}

describe("an erasure list, over a dump", () => {
  // As sqld writes them: the schema's own text, its quotes not doubled.
  const names = [
    `search`,
    `"search (old)"`,
    `'search (old)'`,
    "`search (old)`",
    `[search (old)]`,
    `"search using rtree("`,
    `search /* of (all) */`,
    `search -- of (all)\n`,
    `"${"long".repeat(1100)}"`,
    `search /*${" ".repeat(5000)}*/`,
  ].map((name) => [name.slice(0, 24), name]);
  it.each(names)("is not applied where there is a full-text index: %s", async (_, name) => {
    for (const using of [
      `USING fts5(body, content='posts')`,
      `USING/**/"FTS4"(body)`,
      `using\n[fts3](body)`,
    ])
      await expect(
        erase(
          `PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE ${name} ${using}');\n`,
          entry("people", "email", "bob"),
        ),
        using,
      ).rejects.toMatchObject({ code: "ERASURE_FAILED" });
  });

  it("is not held up by virtual tables of other kinds", async () => {
    const row = `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','x','x',0,'CREATE VIRTUAL TABLE "using fts5(" USING rtree(id, fts5, x)');`;
    expect((await erase(`${row}\n`, entry("people", "email", "bob"))).sql).toContain(row);
  });

  it.each([
    // Such tables' rows come without a list of columns.
    ["t(price DECIMAL(10,2), email TEXT PRIMARY KEY) WITHOUT ROWID", "t VALUES(1.5,'bob')"],
    ["t(up AS (upper(email)), email PRIMARY KEY) WITHOUT ROWID", "t VALUES('bob')"],
    ["[t](`n, m`, 'email' PRIMARY KEY) WITHOUT ROWID", "t VALUES(1,'bob')"],
    ["t(a /* b, */, email PRIMARY KEY) WITHOUT ROWID", "t VALUES(1,'bob')"],
    ['T("a, b", EMail)', "T(rowid,\"a, b\",EMail) VALUES(1,2,'bob')"],
    [`"t"("a(b)", email)`, `t(rowid,"a(b)",email) VALUES(1,2,'bob')`],
  ])("leaves out the rows of %s", async (table, row) => {
    const create = `CREATE TABLE IF NOT EXISTS ${table};\n`;
    const kept = `INSERT INTO ${row.replace("bob", "ann")};\n`;
    const { sql, tables } = await erase(
      `${create}INSERT INTO ${row};\n${kept}`,
      entry("t", "email", "bob"),
    );
    expect(sql).toBe(`${HEAD}${create}${kept}COMMIT;\n`);
    expect(tables).toMatchObject([{ rows: 1 }]);
  });

  it("takes names that differ beyond ASCII for others", async () => {
    const dump = `CREATE TABLE IF NOT EXISTS Ä(Ö);\nINSERT INTO Ä(rowid,Ö) VALUES(1,'bob');\n`;
    expect((await erase(dump, entry("ä", "Ö", "bob"))).sql).toContain("bob");
    const { sql, unapplied } = await erase(dump, entry("Ä", "ö", "bob"));
    expect(sql).toContain("bob");
    expect(unapplied).toEqual([{ table: "Ä", column: "ö" }]);
    expect((await erase(dump, entry("Ä", "Ö", "bob"))).sql).not.toContain("bob");
  });

  it.each([
    "INSERT INTO t(a,b) VALUES('bob');",
    "INSERT INTO t SELECT 'bob';",
    "INSERT OR IGNORE INTO t VALUES('bob');",
    "INSERT INTO t VALUES(inf);",
    "INSERT INTO t VALUES('bob','x');",
  ])("gives nothing with a row that cannot be judged: %s", async (row) => {
    const dump = `CREATE TABLE IF NOT EXISTS t(email);\n${row}\n`;
    await expect(erase(dump, entry("t", "email", "bob"))).rejects.toMatchObject({
      code: "ERASURE_FAILED",
    });
  });

  it("gives nothing where quotes that sqld does not double hide rows in another statement", async () => {
    const odd = (name: string) =>
      `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql) VALUES('table','${name}','${name}',0,'CREATE VIRTUAL TABLE "${name}" USING rtree(id, a, b)');\n`;
    const rows = `CREATE TABLE IF NOT EXISTS t(email);\nINSERT INTO t(rowid,email) VALUES(1,'bob');\n`;
    await expect(
      erase(`${odd("it's")}${rows}${odd("he's")}`, entry("t", "email", "bob")),
    ).rejects.toMatchObject({ code: "ERASURE_FAILED" });
  });
});
