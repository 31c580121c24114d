import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";
import { StandInDatabase } from "../../support/sync-client.ts";

/** Back up a file that stock SQLite made, through the stand-in of Turso Cloud's sync. */
async function backUpFile(sql: string) {
  const database = new StandInDatabase();
  await database.exec(sql);
  const { url } = database.source;
  const context = testContext({ odd: { url } });
  const run = await backUp(context, manualRun("odd"));
  return { context, id: (await newestBackup(context.catalog, "odd"))!.id, run };
}

const schemaOf = async (target: PageDatabase) =>
  (await target.client.execute("SELECT name FROM sqlite_schema")).rows.map(({ name }) => name);

describe("a database in UTF-16", () => {
  it("is given as a file, never as SQL, and leaves a target as it was", async () => {
    const { context, id } = await backUpFile(
      "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('hé')",
    );
    const api = apiOf(context);
    expect(await api.json(`/v1/backups/${id}`)).toMatchObject({
      formats: ["db.zst", "db"],
      snapshot: { encoding: "UTF-16le" },
    });
    for (const format of ["sql", "sql.gz", "libsql.sql.zst"]) {
      const answer = await api.call(`/v1/backups/${id}/links`, { format });
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({ code: "FORMAT_UNAVAILABLE" });
    }
    const target = await PageDatabase.create();
    const { status, last } = await askRestore(context, `/v1/backups/${id}/restore`, {
      target: target.config,
    });
    expect([status, last]).toMatchObject([422, { code: "RESTORE_UNAVAILABLE" }]);
    expect(await schemaOf(target)).toEqual([]);
  });
});

describe("a schema row that is more than its statement", () => {
  it("is never given as SQL, and leaves a target as it was", async () => {
    const { context, id } = await backUpFile(`
      CREATE TABLE t(a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT 1;
      PRAGMA writable_schema=ON;
      UPDATE sqlite_schema SET sql = sql || '; DROP TABLE t' WHERE name = 'v'`);
    const api = apiOf(context);
    const { url } = await api.json(`/v1/backups/${id}/links`, { format: "sql" });
    const answer = await api.call(new URL(url).pathname);
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      code: "SCHEMA_UNSAFE",
      detail: 'The view "v" cannot be written as SQL: it has more than one statement.',
    });
    const target = await PageDatabase.create();
    const restore = (body: object) =>
      askRestore(context, `/v1/backups/${id}/restore`, { target: target.config, ...body });
    const { last } = await restore({ way: "statements" });
    expect(last).toMatchObject({ code: "SCHEMA_UNSAFE" });
    expect(await schemaOf(target)).toEqual([]);
    expect((await restore({ tables: ["t"], verify: true })).last).toMatchObject({
      done: { verified: { rows: 1 } },
    });
  });
});

describe("by statements, and compared", () => {
  it("come rows older than rules, strings in double quotes, shell lines, 2,000 columns, other modules", async () => {
    const columns = Array.from({ length: 2000 }, (_, at) => `c${at}`);
    const { context, id } = await backUpFile(`
      CREATE TABLE old(id INTEGER PRIMARY KEY, b TEXT, -- it may be NULL
        c TEXT CHECK (c IN ("on", "off")) DEFAULT "on");
      INSERT INTO old VALUES (1, 'x', 'on'), (2, NULL, 'off');
      CREATE INDEX ix ON old(b) WHERE c = "on";
      CREATE VIEW lines AS SELECT 1 AS\ngo\n, 2;
      CREATE TABLE wide(${columns.join()});
      INSERT INTO wide(c0, c1, c1999) VALUES (1, 'text', X'31'), (2, X'', 2.0);
      CREATE TABLE v_rows(a); INSERT INTO v_rows VALUES (1);
      PRAGMA writable_schema=ON;
      UPDATE sqlite_schema SET sql = replace(sql, 'b TEXT', 'b TEXT NOT NULL') WHERE name = 'old';
      INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)
        VALUES ('table','v','v',0,'CREATE VIRTUAL TABLE v USING other(a)');
      PRAGMA writable_schema=RESET`);
    const target = await PageDatabase.create();
    const { last } = await askRestore(context, `/v1/backups/${id}/restore`, {
      target: target.config,
      way: "statements",
      verify: true,
    });
    expect(last).toMatchObject({ done: { verified: { tables: 3, rows: 5, hashed: true } } });
    expect((await target.client.execute("SELECT b FROM old WHERE id = 2")).rows[0]![0]).toBe(null);
    await expect(target.client.execute("INSERT INTO old(c) VALUES ('on')")).rejects.toThrow(
      /NOT NULL/,
    );
  });
});

describe("libSQL's own tables for vector indexes", () => {
  it("come with a schema, and take rows later", async () => {
    const source = await PageDatabase.create(`
      CREATE TABLE items (id INTEGER PRIMARY KEY, e F32_BLOB(3));
      INSERT INTO items (e) VALUES (vector('[1, 2, 3]')), (vector('[4, 5, 6]'));
      CREATE INDEX near ON items (libsql_vector_idx(e));`);
    const context = testContext({ vectors: source.config });
    await backUp(context, manualRun("vectors"));
    const { id } = (await newestBackup(context.catalog, "vectors"))!;
    const target = await PageDatabase.create();
    for (const part of [{ schemaOnly: true }, { dataOnly: true }]) {
      const { last } = await askRestore(context, `/v1/backups/${id}/restore`, {
        target: target.config,
        verify: true,
        ...part,
      });
      expect(last).toHaveProperty("done");
    }
    const near = "SELECT id FROM vector_top_k('near', '[4, 5, 6]', 1)";
    expect((await target.client.execute(near)).rows[0]![0]).toBe(2);
  });
});
