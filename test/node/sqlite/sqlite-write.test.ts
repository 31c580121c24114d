import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@libsql/client/http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startSqld } from "../../../scripts/lib/sqld.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import { type SqlTarget, writeSql } from "../../../src/sqlite/sql/write-sql.ts";
import { describeImage, pagesOf } from "../../support/describe-image.ts";
import { FIDELITY, LIBSQL_ONLY, SQLITE_ONLY } from "../../support/fidelity.ts";
import { compiledWasm } from "../../support/wasm.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-sqlite-"));
const servers: ServerProcess[] = [];
let wasm: WebAssembly.Module;

beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

let files = 0;
const newFile = () => join(dir, `${++files}.db`);

async function freshServer() {
  const server = await startSqld(mkdtempSync(join(dir, "sqld-")));
  servers.push(server);
  return createClient({ url: server.url });
}

/** Make a file with stock SQLite. */
function stockFile(): string {
  const file = newFile();
  const db = new DatabaseSync(file, { enableDoubleQuotedStringLiterals: false });
  db.exec("PRAGMA journal_mode=WAL");
  for (const sql of [...FIDELITY, ...SQLITE_ONLY]) db.exec(sql);
  db.close();
  return file;
}

async function sqlOf(image: Image, target: SqlTarget): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeSql(image, target)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function lines(bytes: Uint8Array): Promise<string[]> {
  const image = await openImageWith(wasm, pagesOf(bytes));
  try {
    return await describeImage(image);
  } finally {
    image.close();
  }
}

/** Expect FTS5, FTS4 and rtree to answer, and to pass their own checks. */
function expectVirtualTablesWork(db: DatabaseSync): void {
  const get = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => Object.values(row)[0]);
  expect(get("SELECT rowid FROM docs WHERE docs MATCH 'nightjar'")).toEqual([3]);
  expect(get("SELECT rowid FROM article_index WHERE article_index MATCH 'external'")).toEqual([1]);
  expect(get("SELECT rowid FROM contentless WHERE contentless MATCH 'stored'")).toEqual([77]);
  expect(get('SELECT count(*) FROM "f""q" WHERE "f""q" MATCH \'pre*\'')).toEqual([1]);
  expect(get("SELECT docid FROM old_docs WHERE old_docs MATCH 'older'")).toEqual([4]);
  expect(get("SELECT note FROM boxes WHERE x0 < 0")).toEqual(["seven"]);
  for (const name of ["docs", "article_index"])
    db.exec(`INSERT INTO ${name}(${name}) VALUES ('integrity-check')`);
  db.exec("INSERT INTO articles VALUES (50, 'fresh')");
  expect(get("SELECT rowid FROM article_index WHERE article_index MATCH 'fresh'")).toEqual([50]);
  expect(get("PRAGMA integrity_check")).toEqual(["ok"]);
}

describe("a stock SQLite database", () => {
  let source: Uint8Array;
  let sql: Buffer;
  beforeAll(async () => {
    source = readFileSync(stockFile());
    const image = await openImageWith(wasm, pagesOf(source));
    sql = await sqlOf(image, "sqlite");
  });

  test("loads into node:sqlite as it was", async () => {
    const file = newFile();
    const db = new DatabaseSync(file, { defensive: false });
    db.exec(sql.toString());
    db.exec("PRAGMA wal_checkpoint"); // everything into the file
    expect(await lines(readFileSync(file))).toEqual(await lines(source));
    expectVirtualTablesWork(db);
    db.close();
  });

  test.skipIf(spawnSync("sqlite3", ["--version"]).status !== 0)(
    "loads through the sqlite3 shell as it was",
    async () => {
      const file = newFile();
      execFileSync("sqlite3", ["-bail", file], { input: sql });
      expect(await lines(readFileSync(file))).toEqual(await lines(source));
    },
  );

  test("loads into a libSQL server, except for what that refuses", async () => {
    const image = await openImageWith(wasm, pagesOf(source));
    const dump = (await sqlOf(image, "libsql")).toString();
    expect(dump).toContain("-- needs SQLite: ANALYZE;");
    expect(dump).toContain("-- needs SQLite: PRAGMA application_id=-559038737;");
    const client = await freshServer();
    await client.executeMultiple(dump);
    const known = (line: string) => /application_id|sqlite_stat/.test(line);
    const restored = await lines(await databaseBytes(client));
    expect(restored.filter((line) => !known(line))).toEqual(
      (await lines(source)).filter((line) => !known(line)),
    );
  });
});

test("schema text that ends inside a comment does not swallow what follows", async () => {
  const file = newFile();
  const db = new DatabaseSync(file);
  db.exec("CREATE TABLE t(a); CREATE INDEX one ON t(a) -- line");
  db.exec("CREATE INDEX two ON t(a) /* never closed");
  db.exec("CREATE VIEW v AS SELECT 1");
  db.close();
  const sql = await sqlOf(await openImageWith(wasm, pagesOf(readFileSync(file))), "sqlite");
  const restored = new DatabaseSync(":memory:");
  restored.exec(sql.toString());
  const names = restored.prepare("SELECT name FROM sqlite_schema").all();
  expect(names.map(({ name }) => name)).toEqual(["t", "v", "one", "two"]);
});

describe("a libSQL database", () => {
  let source: Uint8Array;
  let image: Image;
  beforeAll(async () => {
    const client = await freshServer();
    for (const sql of [...FIDELITY, ...LIBSQL_ONLY]) await client.executeMultiple(sql);
    source = await databaseBytes(client);
    image = await openImageWith(wasm, pagesOf(source));
  });

  test("loads into another libSQL server as it was", async () => {
    const client = await freshServer();
    await client.executeMultiple((await sqlOf(image, "libsql")).toString());
    // A vector index draws random numbers as it is built; only its results matter.
    const drawn = (line: string) =>
      /^ {2}(vectors_idx_shadow|libsql_vector_meta_shadow):/.test(line);
    const restored = await lines(await databaseBytes(client));
    expect(restored.filter((line) => !drawn(line))).toEqual(
      (await lines(source)).filter((line) => !drawn(line)),
    );
    const { rows } = await client.execute(
      "SELECT id FROM vector_top_k('vectors_idx', vector('[4,5,6]'), 1)",
    );
    expect(rows.map((row) => row[0])).toEqual([2]);
    const found = await client.execute("SELECT rowid FROM docs WHERE docs MATCH 'nightjar'");
    expect(found.rows.map((row) => row[0])).toEqual([3]);
  });

  test("loads into stock SQLite, with a note of what only libSQL can do", async () => {
    const sql = (await sqlOf(image, "sqlite")).toString();
    expect(sql).toContain(
      "-- needs libSQL: CREATE INDEX vectors_idx ON vectors(libsql_vector_idx(e, 'metric=cosine'));\n",
    );
    expect(sql).toContain("-- needs libSQL: CREATE TABLE drawn(a) RANDOM ROWID;\n");
    expect(sql).toContain("-- rowids not kept, as columns take all of their names: taken3;\n");
    const file = newFile();
    const db = new DatabaseSync(file, { defensive: false });
    db.exec(sql);
    const known = (line: string) => /vectors_idx|libsql_vector|"drawn"/.test(line);
    expect((await lines(readFileSync(file))).filter((line) => !known(line))).toEqual(
      (await lines(source)).filter((line) => !known(line)),
    );
    expectVirtualTablesWork(db);
    db.close();
  });
});
