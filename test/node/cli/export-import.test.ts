import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { parquetRead } from "hyparquet";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Subject } from "../../../src/cli/export/subject.ts";
import { type FolderOptions, writeFolder } from "../../../src/cli/export/write-folder.ts";
import { importFolder } from "../../../src/cli/import/import-folder.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { described, UNREADABLE } from "../../support/described.ts";
import { startExports } from "../../support/exported.ts";
import { FIDELITY } from "../../support/fidelity.ts";
import { compiledWasm } from "../../support/wasm.ts";

const root = mkdtempSync(join(tmpdir(), "nightjar-export-"));
let wasm: WebAssembly.Module;
let exports: Awaited<ReturnType<typeof startExports>>;
let dir: string;
beforeAll(async () => {
  wasm = await compiledWasm();
  exports = await startExports();
});
beforeEach(() => {
  dir = mkdtempSync(join(root, "t-"));
});
afterAll(async () => {
  await exports.stop();
  rmSync(root, { recursive: true, force: true });
});

const TRIALS = Number(process.env["TRIALS"] ?? 120);

const WHOLE: FolderOptions = {
  ...{ rows: "ndjson", choice: {}, overwrite: false, quiet: true },
};

/** Make a file, and open it as the Worker does. */
async function made(statements: readonly string[]): Promise<{ file: string; image: Image }> {
  const file = join(dir, "source.db");
  rmSync(file, { force: true });
  const db = new DatabaseSync(file, { defensive: false });
  for (const sql of statements) db.exec(sql);
  db.close();
  return { file, image: await openImageWith(wasm, pagesOf(readFileSync(file))) };
}

const folderOf = () => join(dir, "shop");
const exportTo = (subject: Subject, options: Partial<FolderOptions> = {}) =>
  writeFolder(subject, folderOf(), { ...WHOLE, ...options });
const importTo = (name = "new.db", overwrite = false) =>
  importFolder(folderOf(), join(dir, name), { overwrite, quiet: true });

describe("an export that is imported again", () => {
  it.each(["ndjson", "json"] as const)("is the same, as %s: types, bytes, schema", async (rows) => {
    const { file, image } = await made(FIDELITY);
    await exportTo(exports.subjectOf(image), { rows });
    const imported = await importTo();
    const names = described(file).map((line) => /^ {2}(.*?): /s.exec(line)?.[1] ?? "");
    const without = new Set(names.filter((name) => UNREADABLE.test(name)));
    expect(described(join(dir, "new.db"), without)).toEqual(described(file, without));
    expect(imported.notes.join()).toMatch(/contentless.*no content/);
    const db = new DatabaseSync(join(dir, "new.db"));
    const get = (sql: string) =>
      db
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    expect(get("SELECT rowid FROM docs WHERE docs MATCH 'nightjar'")).toEqual([3]);
    expect(get("SELECT rowid FROM article_index WHERE article_index MATCH 'external'")).toEqual([
      1,
    ]);
    db.exec("INSERT INTO counted(v) VALUES ('next')");
    expect(get("SELECT id FROM counted")).toEqual([101]);
    expect(get("PRAGMA integrity_check")).toEqual(["ok"]);
    db.close();
  });

  it("is the same as CSV where a column's values are of one kind, and refused where they are not", async () => {
    const { image } = await made(FIDELITY);
    const { tables } = await exportTo(exports.subjectOf(image), { rows: "csv" });
    const mixed = tables.filter((table) => table.mixed.length > 0);
    expect(mixed.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["numbers", "strict_any", "texts"]),
    );
    await expect(importTo()).rejects.toThrow(/CSV does not tell the values/);
    expect(readdirSync(dir).filter((name) => name.startsWith("new.db"))).toEqual([]);

    const exact = tables.filter((table) => table.mixed.length === 0).map(({ name }) => name);
    const chosen = exact.filter((name) => !name.includes(","));
    expect(chosen.length).toBeGreaterThan(20);
    for (const blobs of ["base64", "hex"] as const) {
      const { file, image: again } = await made([
        ...FIDELITY,
        "CREATE TABLE photos(id INTEGER PRIMARY KEY, photo BLOB)",
        "INSERT INTO photos VALUES (1, X''), (2, NULL), (3, X'0001FF'), (4, zeroblob(70000))",
      ]);
      const choice = { tables: [...chosen, "photos"] };
      await exportTo(exports.subjectOf(again), { rows: "csv", choice: { ...choice, blobs } });
      await importTo("new.db", true);
      const rows = (path: string) =>
        described(path).filter((line) => {
          const table = /^ {2}(.*?): /s.exec(line)?.[1];
          return table !== undefined && choice.tables.includes(table);
        });
      expect(rows(join(dir, "new.db"))).toEqual(rows(file));
      expect(rows(file).some((line) => line.startsWith("  photos: "))).toBe(true);
    }
  });

  it("is a file for each table as Parquet, which is not imported", async () => {
    const { image } = await made(FIDELITY);
    const choice = { where: { GAPS: "rowid > 4" } };
    const { tables } = await exportTo(exports.subjectOf(image), { rows: "parquet", choice });
    expect(tables.map(({ name, file, rows }) => [name, file, rows])).toEqual(
      expect.arrayContaining([
        ["numbers", "numbers.parquet", 32],
        ["gaps", "gaps.parquet", 2],
        ["empty_table", "empty_table.parquet", 0],
      ]),
    );
    const rows: unknown[] = [];
    const file = new Uint8Array(readFileSync(join(folderOf(), "gaps.parquet"))).buffer;
    await parquetRead({ file, onComplete: (all) => void rows.push(...all) });
    expect(rows).toEqual([["five"], ["last"]]);
    await expect(importTo()).rejects.toThrow(/Parquet, which is not imported/);
    await exportTo(exports.subjectOf(image));
    expect(readdirSync(folderOf()).filter((name) => name.endsWith(".parquet"))).toEqual([]);
  });

  it("breaks off where a Parquet file is cut", async () => {
    const { image } = await made(["CREATE TABLE t(a)", "INSERT INTO t VALUES (randomblob(9000))"]);
    for (const broken of [true, false]) {
      const subject = exports.subjectOf(image, {}, (bytes) => cut(bytes, broken));
      await expect(exportTo(subject, { rows: "parquet" })).rejects.toThrow(/broke off/);
      expect(readdirSync(folderOf())).toEqual([]);
    }
  });

  it("is refused where a column would change a value, as after an ALTER COLUMN", async () => {
    const { image } = await made([
      "CREATE TABLE altered(id INTEGER PRIMARY KEY, a)",
      "INSERT INTO altered VALUES (1, 1), (2, 1.0), (3, '1')",
      "PRAGMA writable_schema = ON",
      "UPDATE sqlite_schema SET sql = 'CREATE TABLE altered(id INTEGER PRIMARY KEY, a INTEGER)'",
    ]);
    await exportTo(exports.subjectOf(image));
    await expect(importTo()).rejects.toThrow(/row 2 of altered has another value in a/);
    expect(existsSync(join(dir, "new.db"))).toBe(false);
  });

  it("is what was asked for: some tables, some rows", async () => {
    const { image } = await made([
      "CREATE TABLE parents(id INTEGER PRIMARY KEY, v)",
      "CREATE TABLE children(p REFERENCES parents(id))",
      "CREATE INDEX by_parent ON children(p)",
      "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
      "INSERT INTO children VALUES (1), (2)",
      "CREATE TABLE others(x)",
    ]);
    const choice = { tables: ["parents", "children"], where: { parents: "id = 1" } };
    await exportTo(exports.subjectOf(image), { choice });
    const { notes } = await importTo();
    expect(notes).toEqual(["rows of children that refer to rows which are not there: 1"]);
    const db = new DatabaseSync(join(dir, "new.db"));
    const names = db.prepare("SELECT name FROM sqlite_schema ORDER BY name").all();
    expect(names.map(({ name }) => name)).toEqual(["by_parent", "children", "parents"]);
    expect(db.prepare("SELECT v FROM parents").all()).toEqual([{ v: "a" }]);
    db.close();
  });

  it("is the same for random schemas and values", { timeout: 120_000 + TRIALS * 400 }, async () => {
    const name = fc.oneof(
      fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" }),
      fc.constantFrom("rowid", "a b", 'q"q', "__proto__", "1", "export", "select", "é;--"),
    );
    const clean = name.filter((text) => !text.includes("\0") && !/^sqlite_/i.test(text));
    const table = fc.record({
      columns: fc.uniqueArray(
        fc.tuple(
          clean,
          fc.constantFrom("", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "ANYTHING"),
        ),
        {
          ...{ minLength: 1, maxLength: 4, selector: ([column]) => column.toLowerCase() },
        },
      ),
      keyed: fc.boolean(),
      withoutRowid: fc.boolean(),
      rows: fc.array(fc.array(values(), { minLength: 4, maxLength: 4 }), { maxLength: 6 }),
    });
    const schema = fc.uniqueArray(fc.tuple(clean, table), {
      ...{ minLength: 1, maxLength: 3, selector: ([tableName]) => tableName.toLowerCase() },
    });
    await fc.assert(
      fc.asyncProperty(
        schema,
        fc.constantFrom("ndjson", "json"),
        fc.boolean(),
        async (tables, rows, byKey) => {
          const { file, image } = await random(tables);
          try {
            const choice = byKey ? { order: "key" as const } : {};
            await exportTo(exports.subjectOf(image), { rows, choice });
            await importTo("new.db", true);
          } finally {
            image.close();
          }
          const sorted = (path: string) => described(path).toSorted();
          expect(sorted(join(dir, "new.db"))).toEqual(sorted(file));
          if (!byKey) expect(described(join(dir, "new.db"))).toEqual(described(file));
        },
      ),
      { numRuns: TRIALS, ...(process.env["SEED"] && { seed: Number(process.env["SEED"]) }) },
    );
  });
});

type Value = null | number | bigint | string | Uint8Array;

function values(): fc.Arbitrary<Value> {
  return fc.oneof(
    fc.constant(null),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.maxSafeInteger().map(BigInt),
    fc.double({ noNaN: true }),
    fc.integer().map((whole) => whole * 1.5),
    fc.integer(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "1", " 1.0", "Infinity", "\ufeffbom", "a\0b", "\r\n", '"', ","),
    fc.uint8Array({ maxLength: 12 }),
  );
}

interface RandomTable {
  readonly columns: readonly (readonly [string, string])[];
  readonly keyed: boolean;
  readonly withoutRowid: boolean;
  readonly rows: readonly (readonly Value[])[];
}

async function random(tables: readonly (readonly [string, RandomTable])[]) {
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const file = join(dir, "source.db");
  rmSync(file, { force: true });
  const db = new DatabaseSync(file);
  for (const [name, { columns, keyed, withoutRowid, rows }] of tables) {
    const [first] = columns;
    const key = keyed || withoutRowid ? `, PRIMARY KEY (${quote(first![0])})` : "";
    const list = columns.map(([column, type]) => `${quote(column)} ${type}`).join(", ");
    db.exec(`CREATE TABLE ${quote(name)}(${list}${key})${withoutRowid ? " WITHOUT ROWID" : ""}`);
    const places = columns.map(() => "?").join();
    const insert = db.prepare(`INSERT OR IGNORE INTO ${quote(name)} VALUES (${places})`);
    for (const row of rows)
      try {
        insert.run(...row.slice(0, columns.length));
      } catch {
        // No rowid, or a NULL in a key that may not have one.
      }
  }
  db.close();
  return { file, image: await openImageWith(wasm, pagesOf(readFileSync(file))) };
}

describe("the folder", () => {
  const SHOP = [
    "CREATE TABLE artists(id INTEGER PRIMARY KEY, name)",
    "INSERT INTO artists VALUES (1, 'a'), (2, 'b')",
    "CREATE TABLE albums(id)",
  ];

  it("has a file for each table, and changes only where the data does", async () => {
    const { image } = await made(SHOP);
    await exportTo(exports.subjectOf(image));
    const read = () =>
      Object.fromEntries(
        readdirSync(folderOf()).map((name) => [name, readFileSync(join(folderOf(), name), "utf8")]),
      );
    const first = read();
    expect(Object.keys(first).toSorted()).toEqual([
      ...["albums.ndjson", "artists.ndjson", "export.json", "schema.sql"],
    ]);
    expect(first["artists.ndjson"]).toBe('{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n');
    expect(first["albums.ndjson"]).toBe("");
    expect(JSON.parse(first["export.json"]!)).toMatchObject({
      ...{ format: 1, database: "shop", backup: "aaaaaaaaaaaa", order: "stored", rows: "ndjson" },
      tables: [
        { name: "artists", file: "artists.ndjson", rows: 2, columns: ["id", "name"] },
        { name: "albums", rows: 0, bytes: 0 },
      ],
    });
    await exportTo(exports.subjectOf(image));
    expect(read()).toEqual(first);
  });

  it("loses the files of tables that are gone, and nothing that no export wrote", async () => {
    const { image } = await made(SHOP);
    await exportTo(exports.subjectOf(image));
    for (const name of ["README.md", "notes.ndjson"]) writeFileSync(join(folderOf(), name), "mine");
    const { image: smaller } = await made(SHOP.slice(0, 2));
    await exportTo(exports.subjectOf(smaller));
    expect(readdirSync(folderOf()).toSorted()).toEqual([
      ...["README.md", "artists.ndjson", "export.json", "notes.ndjson", "schema.sql"],
    ]);
    const { image: more } = await made([...SHOP, "CREATE TABLE notes(x)"]);
    await expect(exportTo(exports.subjectOf(more))).rejects.toMatchObject({ code: "FILE_EXISTS" });
    expect(readFileSync(join(folderOf(), "notes.ndjson"), "utf8")).toBe("mine");
    expect(existsSync(join(folderOf(), "albums.ndjson"))).toBe(false);
    await exportTo(exports.subjectOf(more), { overwrite: true });
    expect(readFileSync(join(folderOf(), "notes.ndjson"), "utf8")).toBe("");
  });

  it("takes no file's name from a list that no export wrote", async () => {
    const { image } = await made(SHOP);
    const sidecar = await exportTo(exports.subjectOf(image));
    const outside = join(dir, "outside.ndjson");
    writeFileSync(outside, "mine");
    for (const file of [
      "../outside.ndjson",
      "/etc/passwd",
      "a/b.ndjson",
      "..",
      "x",
      "export.json",
    ]) {
      const tables = [{ ...sidecar.tables[0]!, file }];
      writeFileSync(join(folderOf(), "export.json"), JSON.stringify({ ...sidecar, tables }));
      await expect(exportTo(exports.subjectOf(image)), file).rejects.toThrow(
        /not that of an export/,
      );
      await expect(importTo(), file).rejects.toThrow(/not that of an export/);
    }
    expect(readFileSync(outside, "utf8")).toBe("mine");
  });

  it("follows no link that lies in the place of a file", async () => {
    const { image } = await made(SHOP);
    mkdirSync(folderOf());
    const outside = join(dir, "outside");
    writeFileSync(outside, "mine");
    symlinkSync(outside, join(folderOf(), "artists.ndjson"));
    await expect(exportTo(exports.subjectOf(image), { overwrite: true })).rejects.toThrow(
      /not a plain file/,
    );
    expect(readFileSync(outside, "utf8")).toBe("mine");
  });

  it("has names that every file system takes", async () => {
    const names = [
      "A/b",
      "..",
      "con",
      "export",
      "schema",
      "-x",
      "",
      "é",
      "e\u0301",
      "%41",
      "a.b",
      "x".repeat(300),
    ];
    const { image } = await made(names.map((name) => `CREATE TABLE "${name}"(v)`));
    const { tables } = await exportTo(exports.subjectOf(image));
    const files = tables.map(({ file }) => file);
    expect(new Set(files.map((file) => file.toLowerCase())).size).toBe(names.length);
    for (const file of files) expect(file).toMatch(/^[\w%][\w%~-]{0,125}\.ndjson$/);
    expect(files).not.toContain("export.json");
    await importTo();
  });

  it.each([
    ["breaks off", (bytes: AsyncIterable<Uint8Array>) => cut(bytes, true)],
    ["ends early", (bytes: AsyncIterable<Uint8Array>) => cut(bytes, false)],
  ])("stays as it was when the stream %s", async (_, spoil) => {
    const many = Array.from({ length: 20 }, () => "INSERT INTO albums SELECT hex(zeroblob(9000))");
    const { image } = await made([...SHOP, ...many]);
    await exportTo(exports.subjectOf(image));
    const before = readFileSync(join(folderOf(), "export.json"), "utf8");
    const counts = new Map([["albums", 20]]);
    await expect(exportTo(exports.subjectOf(image, { counts }, spoil))).rejects.toThrow(
      /broke off|came with/,
    );
    expect(readFileSync(join(folderOf(), "export.json"), "utf8")).toBe(before);
    expect(readdirSync(folderOf()).filter((name) => name.endsWith(".part"))).toEqual([]);
    await importTo();
  });

  it("is refused when a file of it was changed, is cut or is gone", async () => {
    const { image } = await made(SHOP);
    await exportTo(exports.subjectOf(image));
    const path = join(folderOf(), "artists.ndjson");
    const whole = readFileSync(path, "utf8");
    const [first, second] = whole.trim().split("\n");
    for (const text of [
      whole.replace('"a"', '"x"'),
      `${first}\n`,
      whole + second,
      `${second}\n${first}\n`,
      whole.replaceAll("\n", "\r\n"),
      "",
      null,
    ]) {
      if (text === null) rmSync(path);
      else writeFileSync(path, text);
      await expect(importTo()).rejects.toThrow(/The import failed/);
      expect(readdirSync(dir).filter((name) => name.startsWith("new.db"))).toEqual([]);
    }
    writeFileSync(path, whole);
    await importTo();
    await expect(importTo()).rejects.toMatchObject({ code: "FILE_EXISTS" });
    const schema = join(folderOf(), "schema.sql");
    writeFileSync(schema, `${readFileSync(schema, "utf8")}ATTACH '${dir}/other.db' AS o;\n`);
    await expect(importTo("other.db")).rejects.toThrow(/The import failed/);
    expect(existsSync(join(dir, "other.db"))).toBe(false);
  });
});

/** Give the first half of the bytes. */
async function* cut(bytes: AsyncIterable<Uint8Array>, broken: boolean) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  // At the end of a line, where nothing but a count tells that rows are missing.
  yield whole.subarray(0, whole.lastIndexOf("\n", whole.length >> 1) + 1);
  if (broken) throw new Error("broken");
}

describe.skipIf(spawnSync("sqlite3", ["--version"]).status !== 0)("CSV", () => {
  it("is read by the sqlite3 shell into the same values", async () => {
    const { file, image } = await made([
      "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL, score REAL)",
      `INSERT INTO t VALUES (1, 'a,b', 0.5), (2, 'q"q', -1e300), (3, 'line
break', 1.0), (4, 'cr' || char(13, 10) || 'lf', 9007199254740993.0), (5, ' 1 ', 3), (6, 'é🌙', 5e-324)`,
    ]);
    await exportTo(exports.subjectOf(image), { rows: "csv" });
    const copy = join(dir, "copy.db");
    const script = `CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL, score REAL);
.import --csv --skip 1 ${join(folderOf(), "t.csv")} t
`;
    const run = spawnSync("sqlite3", ["-bail", copy], { input: script, encoding: "utf8" });
    expect([run.status, run.stderr]).toEqual([0, ""]);
    const rows = (path: string) => described(path).filter((line) => line.startsWith("  t: "));
    expect(rows(copy)).toEqual(rows(file));
  });
});
