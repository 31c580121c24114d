import { createClient } from "@libsql/client/http";
import { describe, expect, inject, it } from "vitest";
import fc from "fast-check";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { randomDatabase } from "../../support/random-database.ts";
import { captured, describeFile, describeSql, sqlOfRows } from "../../support/rows.ts";

describe("rows read by SQL", () => {
  it("bring back everything that is hard to carry over, as pages do", async () => {
    const url = inject("fidelity");
    const context = testContext({ odd: { url, capture: "rows" } });
    const { manifest, sql } = await captured(context, "odd");
    expect(manifest).toMatchObject({
      kind: "dump",
      snapshot: null,
      method: { protocol: "rows", image: false, why: "the configuration asks for rows" },
      schema: { userVersion: 41, migration: { name: "second" } },
      warnings: [{ code: "ROWIDS_NOT_KEPT", where: "taken3" }],
    });
    const original = await describeFile(await databaseBytes(createClient({ url })));
    // Stock SQLite has neither vector indexes nor rowids at random.
    const stock = (line: string) =>
      !/vectors_idx|libsql_vector_meta_shadow|CREATE TABLE drawn/.test(line);
    const loadable = sql.split("\n").filter((line) => !line.startsWith("CREATE INDEX vectors_idx"));
    const copy = await describeSql(loadable.join("\n").replace(" RANDOM ROWID", ""));
    expect(copy.filter(stock)).toEqual(original.filter(stock));
    expect(original.length).toBeGreaterThan(250);
  });
});

describe("a table that no SELECT can read", () => {
  it("has the dump taken instead, if nothing else is configured", async () => {
    const database = await PageDatabase.create();
    const columns = Array.from({ length: 1999 }, (_, at) => `c${at}`).join();
    await database.exec(`CREATE TABLE t(${columns}); INSERT INTO t(c7) VALUES (1), (2)`);
    for (const [capture, state] of [
      ["rows", "failed"],
      ["auto", "done"],
    ] as const) {
      const name = `large-${capture}`;
      const context = testContext({ [name]: { ...database.config, capture, attempts: 1 } });
      const method = { protocol: "rows", image: false, why: "a test" } as const;
      await recordMethod(context.catalog, name, database.config.url, method, Date.now());
      const run = await backUp(context, manualRun(name));
      expect(run).toMatchObject({ state });
      if (state === "failed") expect(run.error).toMatchObject({ code: "ROWS_UNAVAILABLE" });
      else expect((await newestBackup(context.catalog, name))!.manifest.rows).toBe(2);
    }
  });
});

describe("random databases", () => {
  it("come back equal through rows", async () => {
    let tables = 0;
    await fc.assert(
      fc.asyncProperty(randomDatabase, async (statements) => {
        const database = await PageDatabase.create();
        await database.runAll(statements);
        const source = { ...database.config, stallMs: 10_000, token: undefined };
        const copy = await describeSql(await sqlOfRows(source));
        const original = await describeFile(await databaseBytes(database.client));
        expect(copy).toEqual(original);
        tables += original.filter((line) => line.startsWith("table")).length;
        await database.remove();
      }),
      { numRuns: inject("trials") ?? 60, seed: 20_261_129 },
    );
    expect(tables).toBeGreaterThan(60);
  }, 900_000);
});
