import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EVERYTHING } from "../../../src/format/tables/selection.ts";
import { Comparison } from "../../../src/sqlite/diff/comparison.ts";
import { writeRowLines } from "../../../src/sqlite/diff/row-lines.ts";
import { type Summary, summarize } from "../../../src/sqlite/diff/summarize.ts";
import { writeDiff } from "../../../src/sqlite/diff/write-diff.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { type DiffLine, parseDiffLine } from "../../../src/model/diff-line.ts";
import {
  createTables,
  histories,
  type Histories,
  runSteps,
} from "../../support/database-states.ts";
import { describeImage, pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-diff-"));
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const [A, B, AFTER] = ["a.db", "b.db", "after.db"].map((name) => join(dir, name)) as [
  string,
  string,
  string,
];

function open(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { defensive: false, enableForeignKeyConstraints: false });
  db.exec("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY");
  return db;
}

/** Make both states as files. */
function make({ begins, before, after, apart }: Histories): void {
  for (const file of [A, B, AFTER]) rmSync(file, { force: true });
  const first = open(A);
  runSteps(first, [...createTables(begins), ...before]);
  first.close();
  if (!apart) copyFileSync(A, B);
  const second = open(B);
  if (apart) runSteps(second, createTables(begins.toReversed()));
  runSteps(second, after);
  second.close();
}

async function withDiff<T>(from: string, to: string, use: (comparison: Comparison) => Promise<T>) {
  const before = await openImageWith(wasm, pagesOf(readFileSync(from)));
  const after = await openImageWith(wasm, pagesOf(readFileSync(to)));
  try {
    return await use(await Comparison.open(before, after, EVERYTHING));
  } finally {
    before.close();
    after.close();
  }
}

async function sqlOf(comparison: Comparison): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeDiff(comparison)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function linesOf(comparison: Comparison): Promise<{ rows: DiffLine[]; summary: Summary }> {
  const lines = writeRowLines(comparison);
  let text = "";
  for (;;) {
    const step = await lines.next();
    if (step.done === true) {
      const rows = text.split("\n").slice(0, -1);
      return { rows: rows.map(parseDiffLine), summary: step.value };
    }
    text += Buffer.from(step.value).toString();
  }
}

/** List all that a database holds, without SQLite's statistics. */
async function contentOf(file: string): Promise<string[]> {
  const image = await openImageWith(wasm, pagesOf(readFileSync(file)));
  const lines = await describeImage(image);
  image.close();
  // The table of counters stays when the last AUTOINCREMENT is dropped.
  return lines.filter((line) => !/^table "sqlite_(sequence|stat)|sqlite_stat/.test(line));
}

/** Ask SQLite what is wrong: rows that are older than a rule break it on both sides. */
function checksOf(file: string): unknown[] {
  const db = open(file);
  const found = db.prepare("PRAGMA integrity_check").all();
  db.close();
  return found;
}

/** Count the rows of a table that differ, from all of them as text. */
function countsOf(table: string): { added: number; removed: number; changed: number } | undefined {
  const [before, after] = [A, B].map((file) => rowsOf(file, table));
  if (before === undefined || after === undefined) return undefined;
  const counts = { added: 0, removed: 0, changed: 0 };
  for (const [key, row] of before)
    if (!after.has(key)) counts.removed++;
    else if (after.get(key) !== row) counts.changed++;
  for (const key of after.keys()) if (!before.has(key)) counts.added++;
  return counts;
}

/** The columns by which rows of a table WITHOUT ROWID are the same, and what of their text counts. */
const KEYS: Readonly<Record<string, Readonly<Record<string, (text: string) => string>>>> = {
  nocase: { k: (text) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) },
  wide: { b: (text) => text.replace(/ +$/, ""), a: (text) => text },
};

function rowsOf(file: string, table: string): Map<string, string> | undefined {
  const db = open(file);
  try {
    const quoted = `"${table.replaceAll('"', '""')}"`;
    const names = db
      .prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0")
      .all(table)
      .map(({ name }) => String(name));
    if (names.length === 0) return undefined;
    const list = names.map((name, at) => `"${name.replaceAll('"', '""')}" AS c${at}`).join();
    const key = KEYS[table];
    const rowid = key === undefined ? "_rowid_ AS id," : "";
    const statement = db.prepare(`SELECT ${rowid}${list} FROM ${quoted} NOT INDEXED`);
    statement.setReadBigInts(true);
    return new Map(
      statement.all().map(({ id, ...row }) => {
        const values = Object.values(row);
        const words = Object.entries(key ?? {}).map(([name, count]) => {
          const value = values[names.indexOf(name)];
          return typeof value === "string" ? `text ${count(value)}` : numberOf(value);
        });
        return [key === undefined ? String(id) : words.join("/"), values.map(exactly).join("|")];
      }),
    );
  } finally {
    db.close();
  }
}

/** Write a value, as two that are not the same to the last bit have other words. */
function exactly(value: unknown): string {
  if (value instanceof Uint8Array) return `blob ${Buffer.from(value).toString("hex")}`;
  return `${typeof value} ${Object.is(value, -0) ? "-0" : String(value)}`;
}

/** The same, but numbers by their size alone. */
function numberOf(value: unknown): string {
  const whole = typeof value === "number" && Number.isInteger(value);
  return typeof value === "bigint" || whole ? `number ${BigInt(value)}` : exactly(value);
}

function schemaOf(file: string, table: string): unknown {
  const db = open(file);
  const row = db.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").get(table);
  db.close();
  return row?.["sql"];
}

describe("a diff", () => {
  it("in SQL makes the one of the other, and counts the rows that differ", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        make(history);
        const { sql, rows, summary } = await withDiff(A, B, async (comparison) => {
          const summary = await summarize(comparison);
          const lines = await linesOf(comparison);
          expect(lines.summary).toEqual(summary);
          return { sql: await sqlOf(comparison), ...lines };
        });
        copyFileSync(A, AFTER);
        const db = open(AFTER);
        db.exec(sql);
        db.close();
        expect(checksOf(AFTER)).toEqual(checksOf(B));
        const [is, wanted] = [await contentOf(AFTER), await contentOf(B)];
        expect(is).toEqual(wanted);

        const total = summary.tables.reduce((sum, t) => sum + t.added + t.removed + t.changed, 0);
        expect(rows).toHaveLength(total);
        expect(summary.different).toBe(
          JSON.stringify(await contentOf(A)) !== JSON.stringify(wanted),
        );
        for (const name of history.begins) {
          if (name === "taken" || schemaOf(A, name) !== schemaOf(B, name)) continue;
          const none = { added: 0, removed: 0, changed: 0 };
          expect(summary.tables.find((one) => one.name === name) ?? none).toMatchObject(
            countsOf(name) ?? none,
          );
        }
        expect(await withDiff(AFTER, B, sqlOf)).toBe(
          "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n",
        );
      }),
      { numRuns: Number(process.env["TRIALS"] ?? 500) },
    );
  }, 600_000);

  it.skipIf(spawnSync("sqlite3", ["--version"]).status !== 0)(
    "loads through the sqlite3 shell in its safe mode, whatever the names and texts are",
    async () => {
      for (const file of [A, B, AFTER]) rmSync(file, { force: true });
      const trigger = `CREATE TRIGGER "t;" AFTER INSERT ON "a""b; .shell touch x" BEGIN SELECT raise(ABORT, 'fired'); END`;
      const first = open(A);
      first.exec(`CREATE TABLE "a""b; .shell touch x"("k
      .shell" TEXT PRIMARY KEY, "constructor" CHECK ("constructor" <> 7));
      INSERT INTO "a""b; .shell touch x" VALUES ('one', 1), ('two', 2);
      ${trigger};
      CREATE VIRTUAL TABLE docs USING fts5(body);
      INSERT INTO docs VALUES ('nightjar'), ('owl');
      CREATE TABLE gone(x); CREATE VIEW seen AS SELECT 1;`);
      first.close();
      copyFileSync(A, B);
      const second = open(B);
      second.exec(`DROP TRIGGER "t;";
      UPDATE "a""b; .shell touch x" SET "constructor" = ''';' || char(10) || '.shell touch y' || char(13, 10) WHERE rowid = 1;
      INSERT INTO "a""b; .shell touch x" VALUES (char(10) || '.quit' || char(0) || '.quit', x'00');
      ${trigger};
      UPDATE docs SET body = 'nightjar and owl' WHERE rowid = 2;
      DROP TABLE gone; DROP VIEW seen; CREATE VIEW seen AS SELECT 2 -- a comment`);
      second.close();
      const sql = await withDiff(A, B, sqlOf);
      copyFileSync(A, AFTER);
      execFileSync("sqlite3", ["-safe", "-bail", AFTER], { input: sql, cwd: dir });
      expect(await contentOf(AFTER)).toEqual(await contentOf(B));
      const db = open(AFTER);
      expect(db.prepare("SELECT rowid FROM docs WHERE docs MATCH 'owl'").all()).toEqual([
        { rowid: 2 },
      ]);
      db.exec("INSERT INTO docs(docs) VALUES ('integrity-check')");
      db.close();
    },
  );

  it("refuses SQL of a schema that would run something where it is loaded", async () => {
    for (const file of [A, B]) rmSync(file, { force: true });
    open(A).close();
    const db = open(B);
    db.exec(`CREATE TABLE t(a);
      PRAGMA writable_schema=ON;
      UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a); DROP TABLE u' WHERE name = 't';`);
    db.close();
    open(A).exec("CREATE TABLE other(a)");
    await expect(withDiff(A, B, sqlOf)).rejects.toMatchObject({ code: "SCHEMA_UNSAFE" });
    // The other way its text is not written.
    expect(await withDiff(B, A, sqlOf)).toContain('DROP TABLE "t";');
  });
});
