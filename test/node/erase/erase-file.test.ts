import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { eraseFromFile } from "../../../src/cli/files/erase-file.ts";
import { type Erasure, hashKey } from "../../../src/format/tables/erasure.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-erase-"));
afterAll(() => rmSync(dir, { recursive: true }));

let files = 0;
function made(sql: string): string {
  const file = join(dir, `${files++}.db`);
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
  return file;
}

function entry(table: string, column: string, key: string | Uint8Array): Erasure {
  const salt = "salt";
  const about = { format: 1, id: "x", database: "shop", at: "", who: "" } as const;
  return { ...about, table, column, salt, keyHash: hashKey(salt, key) };
}

function rows(file: string, sql: string): unknown[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => Object.values(row));
  } finally {
    database.close();
  }
}

describe("erasing from a file that was opened here", () => {
  it.each([
    ["7", "7"],
    ["-0.5", "-0.5"],
    ["'Ada'", "Ada"],
    ["CAST(x'4100c3' AS TEXT)", Uint8Array.of(0x41, 0, 0xc3)],
    ["x'00ff'", Uint8Array.of(0, 0xff)],
  ])("finds the key %s, and leaves others and NULL", async (literal, key) => {
    const file = made(`CREATE TABLE t (Who, v); INSERT INTO t VALUES (${literal}, 1), ('other', 2),
      (NULL, 3), (${literal}, 4), ('', 5)`);
    expect(await eraseFromFile(file, [entry("T", "wHO", key)])).toEqual({
      tables: [{ table: "T", rows: 2 }],
      unapplied: [],
    });
    expect(rows(file, "SELECT v FROM t ORDER BY v")).toEqual([[2], [3], [5]]);
  });

  it("leaves no byte of them, nor of what was deleted before", async () => {
    const file = made(`CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON t (v);
      CREATE VIRTUAL TABLE "words (" USING fts5(v); INSERT INTO "words (" VALUES ('quetzalcoatl');
      INSERT INTO t VALUES (1, 'SECRET-one'), (2, printf('%9000s', 'SECRET-two')),
        (3, 'kept');
      DELETE FROM t WHERE id = 2;`);
    expect(readFileSync(file).includes("SECRET-two")).toBe(true);
    await eraseFromFile(file, [entry("t", "id", "1"), entry("words (", "v", "quetzalcoatl")]);
    const bytes = readFileSync(file);
    for (const gone of ["SECRET-one", "SECRET-two", "uetzalcoatl"])
      expect(bytes.includes(gone), gone).toBe(false);
    expect(rows(file, "SELECT v FROM t")).toEqual([["kept"]]);
    expect(rows(file, "PRAGMA integrity_check")).toEqual([["ok"]]);
  });

  it("tells what it cannot apply", async () => {
    const file = made("CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 'a')");
    const entries = [entry("t", "id", "1"), entry("t", "gone", "1"), entry("nowhere", "id", "1")];
    expect(await eraseFromFile(file, entries)).toEqual({
      tables: [{ table: "t", rows: 1 }],
      unapplied: [{ table: "t", column: "gone" }],
    });
  });

  it("keeps the numbers of the other rows, and no sample of the deleted one", async () => {
    const file = made(`CREATE TABLE t (email); CREATE INDEX ti ON t (email);
      INSERT INTO t (rowid, email) VALUES (7, 'SECRET-bob'), (40, 'ann'), (41, 'cy'); ANALYZE;`);
    await eraseFromFile(file, [entry("t", "email", "SECRET-bob")]);
    expect(rows(file, "SELECT rowid, email FROM t")).toEqual([
      [40, "ann"],
      [41, "cy"],
    ]);
    expect(readFileSync(file).includes("SECRET")).toBe(false);
  });

  it("finds keys in text that is UTF-16", async () => {
    const file = made(`PRAGMA encoding='UTF-16le'; CREATE TABLE t (email, v);
      INSERT INTO t VALUES ('bøb', 1), ('ann', 2)`);
    await eraseFromFile(file, [entry("t", "email", "bøb")]);
    expect(rows(file, "SELECT v FROM t")).toEqual([[2]]);
  });

  it("does not give a file whose index cannot be kept right, and names the table", async () => {
    const file = made("CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 'a')");
    const database = new DatabaseSync(file);
    database.function("mystery", { deterministic: true }, String);
    database.exec("CREATE INDEX ti ON t (mystery(v))");
    database.close();
    await expect(eraseFromFile(file, [entry("t", "id", "1")])).rejects.toMatchObject({
      code: "ERASURE_FAILED",
      message: expect.stringMatching(/Rows of t .*mystery/) as string,
    });
  });
});
