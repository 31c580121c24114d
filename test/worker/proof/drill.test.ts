import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { findBackup, newestBackup, newestDrilled } from "../../../src/catalog/backups.ts";
import { drillBackup } from "../../../src/jobs/proof/drill.ts";
import { startDueRuns } from "../../../src/jobs/schedule/start-due-runs.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { apiOf } from "../../support/api.ts";
import { alter } from "../../support/altered-backup.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { hashOf } from "../../support/row-hash.ts";

const { BUCKET } = env;

/** Make a backup of a new database from SQL. */
async function made(sql: string, config: object = {}, name = "made") {
  const database = await PageDatabase.create(sql);
  const context = testContext({ [name]: { ...database.config, ...config } });
  const run = await backUp(context, manualRun(name));
  const backup = (await newestBackup(context.catalog, name))!;
  return { context, database, run, backup };
}

const KINDS = ["pages", "dump"] as const;

describe("a drill", () => {
  it.each(KINDS)("restores a backup by %s, and hashes what every table holds", async (capture) => {
    const { context, backup } = await made(
      `CREATE TABLE t (id INTEGER PRIMARY KEY, r, s, b, n);
       INSERT INTO t VALUES (3, 1.5, 'ü', x'00ff', NULL), (1, -0.25, '', x'', 7);
       CREATE TABLE untyped (v); INSERT INTO untyped VALUES ('a'), (2);
       CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO keyed VALUES ('z'), ('a');`,
      { capture },
      capture,
    );
    const proof = await prove(context, backup.id, "drill");
    expect(proof).toMatchObject({ act: "drill", outcome: "passed", problem: null });
    expect(proof.recoveryMs).toBeGreaterThanOrEqual(0);
    const text = (value: string) => ({ text: new TextEncoder().encode(value) });
    const blob = (...bytes: number[]) => ({ blob: new Uint8Array(bytes) });
    const byName = Object.fromEntries(proof.tables.map((table) => [table.name, table]));
    const low = [1n, { real: -0.25 }, text(""), blob(), 7n];
    const high = [3n, { real: 1.5 }, text("ü"), blob(0, 255), null];
    expect(byName).toEqual({
      t: { name: "t", rows: 2, sha256: hashOf(...low, ...high) },
      untyped: { name: "untyped", rows: 2, sha256: hashOf(1n, text("a"), 2n, 2n) },
      keyed: { name: "keyed", rows: 2, sha256: hashOf(text("a"), text("z")) },
    });
  });

  it("sorts more than SQLite's cache holds, for the index of a dump", async () => {
    const { run, backup } = await made(
      `CREATE TABLE t (v);
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
       INSERT INTO t SELECT hex(randomblob(40)) FROM n;
       CREATE INDEX by_v ON t (v);`,
      { capture: "dump" },
      "sorted",
    );
    expect(run).toMatchObject({ state: "done", error: null });
    expect(backup.drill?.outcome).toBe("passed");
  });

  it("is part of every run of a small database, whose newest passed backup it points at", async () => {
    const { context, run, backup } = await made("CREATE TABLE t (v)", {}, "small");
    expect(run).toMatchObject({ state: "done", backupId: backup.id });
    expect(backup.verification?.outcome).toBe("verified");
    expect(backup.drill?.outcome).toBe("passed");
    const api = apiOf(context);
    for (const latest of ["latest-drilled", "latest-verified"])
      expect(await api.json(`/v1/databases/small/backups/${latest}`)).toMatchObject({
        id: backup.id,
      });
    expect(await api.json("/v1/databases/small")).toMatchObject({
      state: "fresh",
      newestDrilled: { id: backup.id, recoveryMs: backup.drill!.recoveryMs },
    });
    const bytes = new Uint8Array(await (await BUCKET.get(backup.manifest.key))!.arrayBuffer());
    bytes[50]! ^= 1;
    await BUCKET.put(backup.manifest.key, bytes);
    expect(await prove(context, backup.id, "verify")).toMatchObject({ outcome: "corrupt" });
    expect(await newestDrilled(context.catalog, "small")).toBeUndefined();
    for (const [latest, act] of [
      ["latest-drilled", "drill"],
      ["latest-verified", "verify"],
    ])
      expect(await api.json(`/v1/databases/small/backups/${latest}`, undefined, 404)).toMatchObject(
        {
          detail: `small has no backup whose ${act} passed.`,
        },
      );
    expect(await api.json("/v1/databases/small")).toMatchObject({
      state: "corrupt",
      newestVerified: null,
    });
  });

  it("fails where an index does not have what its table has, or rows are missing", async () => {
    const { context, backup } = await made(
      "CREATE TABLE t (v TEXT); CREATE INDEX i ON t (v); INSERT INTO t VALUES ('needle'), ('other')",
      {},
      "index",
    );
    await alter(context, backup.id, (file) => {
      const text = Buffer.from(file.buffer, file.byteOffset, file.length);
      text.write("noodle", text.lastIndexOf("needle")); // in the index, whose page comes after the table's
    });
    expect((await prove(context, backup.id, "verify")).outcome).toBe("verified");
    const proof = await prove(context, backup.id, "drill");
    expect(proof).toMatchObject({ outcome: "failed", problem: { code: "DRILL_FAILED" } });
    expect(proof.problem!.message).toMatch(/integrity_check finds: .*index i/);

    const other = await made("CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)", {}, "fewer");
    const { manifest } = other.backup;
    const short = { ...manifest, tables: [{ name: "t", rows: 3 }] };
    expect(await drillBackup(other.context, short)).toMatchObject({
      outcome: "failed",
      problem: { message: "The table t came back with 2 rows, not 3." },
    });
    const schema = { ...manifest.schema, hash: "0".repeat(64) };
    expect((await drillBackup(other.context, { ...manifest, schema })).outcome).toBe("failed");
  });

  it("holds the configured queries to be true", async () => {
    const checks = ["select count(*) = 2 from t", "select v from t where v = 'none'"];
    const { run, backup, context } = await made(
      "CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)",
      { checks },
      "asked",
    );
    expect(run).toMatchObject({
      state: "failed",
      backupId: backup.id,
      error: { code: "DRILL_FAILED" },
    });
    expect(run.error!.message).toContain("no row");
    const { drill } = (await findBackup(context.catalog, backup.id))!;
    expect(drill).toMatchObject({ outcome: "failed", problem: { code: "DRILL_FAILED" } });
    const { checks: found } = await drillBackup(context, backup.manifest);
    expect(found.slice(-2)).toMatchObject([
      { name: `check: ${checks[0]}`, ok: true, detail: "answered 1" },
      { name: `check: ${checks[1]}`, ok: false },
    ]);
  });

  it("passes for a dump with infinity, which the server writes as no SQLite reads it", async () => {
    const { run, backup } = await made(
      "CREATE TABLE t (v REAL); INSERT INTO t VALUES (1), (9e999)",
      { capture: "dump" },
      "infinite",
    );
    expect(run).toMatchObject({ state: "done", error: null });
    expect(backup.drill).toMatchObject({ outcome: "passed" });
  });

  it.each([
    [
      "a vector index",
      "CREATE TABLE v (e F32_BLOB(3)); CREATE INDEX near ON v (libsql_vector_idx(e));",
    ],
    ["RANDOM ROWID", "CREATE TABLE r (v) RANDOM ROWID; INSERT INTO r VALUES (1)"],
  ])("of a dump with %s, which needs libSQL, is unproven", async (what, sql) => {
    const name = what.replaceAll(/\W/g, "-").toLowerCase();
    const { run, backup } = await made(sql, { capture: "dump" }, name);
    expect(backup.drill).toMatchObject({
      outcome: "unproven",
      problem: { code: "DRILL_IMPOSSIBLE" },
    });
    expect(run).toMatchObject({ state: "done" });
  });

  it("of a fidelity database by pages passes: what only libSQL knows is in the pages", async () => {
    const context = testContext({ odd: { url: inject("fidelity") } });
    expect(await backUp(context, manualRun("odd"))).toMatchObject({ state: "done" });
    expect((await newestBackup(context.catalog, "odd"))!.drill?.outcome).toBe("passed");
  });

  it("of a large snapshot happens where it lies, and of a large dump not at all", async () => {
    const sql = `CREATE TABLE large (id INTEGER PRIMARY KEY, v);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70)
      INSERT INTO large (v) SELECT zeroblob(1000000) FROM n;`;
    const { context, backup, run, database } = await made(sql, {}, "large");
    expect(run).toMatchObject({ state: "done" });
    expect(backup.drill).toBeNull(); // too large to drill every night
    const proof = await prove(context, backup.id, "drill");
    expect(proof).toMatchObject({ outcome: "passed", tables: [{ name: "large", rows: 70 }] });
    expect(proof.checks[0]!.detail).toContain("opened where they lie");

    const dumped = testContext({ heavy: { ...database.config, capture: "dump" } });
    await backUp(dumped, manualRun("heavy"));
    const { id } = (await newestBackup(dumped.catalog, "heavy"))!;
    expect(await prove(dumped, id, "drill")).toMatchObject({
      outcome: "unproven",
      problem: { code: "DRILL_IMPOSSIBLE" },
      recoveryMs: null,
    });
  });

  it("is started by its schedule when none was held since", async () => {
    let ahead = 0;
    const database = await PageDatabase.create("CREATE TABLE t (v)");
    const config = { planned: { ...database.config, schedule: "0 0 1 1 *", drill: "0 5 * * *" } };
    const context = testContext(config, { now: () => Date.now() + ahead });
    await backUp(context, manualRun("planned"));
    const { id } = (await newestBackup(context.catalog, "planned"))!;
    const drills = () => context.proofsStarted;
    await startDueRuns(context, context.deps.now());
    expect(drills()).toEqual([]); // the run made one
    ahead = 24 * 3_600_000;
    await startDueRuns(context, context.deps.now());
    expect(drills()).toHaveLength(1);
    expect(drills()[0]).toMatch(new RegExp(`^drill-${id}-\\d+$`));
    await prove(context, id, "drill");
    context.proofsStarted.length = 0;
    await startDueRuns(context, context.deps.now());
    expect(drills()).toEqual([]);
  });
});
