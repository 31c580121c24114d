import { beforeAll, describe, expect, it } from "vitest";
import { findBackup } from "../../../src/catalog/backups.ts";
import type { Context } from "../../../src/worker/context.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, inlineStep, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";

/** The cases that a restore into a server refuses, reports, or survives. */
let context: Context;
let source: PageDatabase;
let emptied: PageDatabase;
let path: string;

beforeAll(async () => {
  source = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)");
  emptied = await PageDatabase.create("CREATE TABLE t (v)");
  context = testContext({ shop: source.config, emptied: emptied.config });
  const { backupId } = await backUp(context, manualRun("shop"));
  path = `/v1/backups/${backupId}/restore`;
});

/** Create a context whose requests to one target go through `instead`. */
function around(
  target: PageDatabase,
  instead: (body: string, go: () => Promise<Response>) => Promise<Response>,
  own = context,
): Context {
  const namespace = btoa(target.namespace).replace(/=+$/, "");
  const fetch: Context["deps"]["fetch"] = (url, init) => {
    const go = () => own.deps.fetch(url, init);
    if (new Headers(init.headers).get("x-namespace-bin") !== namespace) return go();
    const body = init.body instanceof Uint8Array ? new TextDecoder().decode(init.body) : "";
    return instead(body, go);
  };
  return { ...own, deps: { ...own.deps, fetch, sleep: async () => {} } };
}

describe("a restore into a server", () => {
  it("overwrites only as a whole", async () => {
    for (const part of [{ tables: ["t"] }, { schemaOnly: true }, { dataOnly: true }]) {
      const asked = { target: { database: "emptied" }, overwrite: true, ...part };
      expect((await askRestore(context, path, asked)).last).toMatchObject({
        code: "OVERWRITE_REFUSED",
      });
    }
  });

  it("does not fill the database that it was taken from unless it is told to", async () => {
    const { backupId } = await backUp(context, manualRun("emptied"));
    await emptied.exec("DROP TABLE t");
    const own = `/v1/backups/${backupId}/restore`;
    const target = { database: "emptied" };
    expect((await askRestore(context, own, { target })).last).toMatchObject({
      code: "TARGET_IS_SOURCE",
    });
    const told = await askRestore(context, own, { target, overwrite: true });
    expect(told.last).toHaveProperty("done");
  });

  it.each(["pages", "statements"])("by %s notices what else is in the schema", async (way) => {
    const target = await PageDatabase.create();
    let looks = 0;
    const meddled = around(target, async (body, go) => {
      if (body.includes("rootpage, sql FROM sqlite_schema") && ++looks === 2)
        await target.exec("CREATE INDEX of_another ON t (v)");
      return go();
    });
    const { last } = await askRestore(meddled, path, { target: target.config, way });
    expect(last).toMatchObject({
      error: {
        code: "RESTORE_DIFFERS",
        message: expect.stringContaining("another text: index of_another") as string,
      },
    });
  });

  it("goes on after an answer that was lost, and does nothing twice", async () => {
    const target = await PageDatabase.create();
    let lost = 0;
    const losing = around(target, async (body, go) => {
      const answer = await go();
      if (!/INSERT INTO "?t\b/.test(body) || ++lost !== 1) return answer;
      await answer.body?.cancel();
      throw new Error("the answer is lost");
    });
    const asked = { target: target.config, way: "statements", verify: true };
    const { last } = await askRestore(losing, path, asked);
    expect(last, JSON.stringify(last)).toMatchObject({ done: { verified: { rows: 2 } } });
    expect(lost).toBeGreaterThan(0);
    const { rows } = await target.client.execute("SELECT v FROM t ORDER BY v");
    expect(rows.map((row) => row[0])).toEqual([1, 2]);
  });

  it.each([
    ["other columns", "CREATE TABLE _nightjar_restore (id INTEGER PRIMARY KEY, note TEXT)"],
    [
      "ours, without a row",
      "CREATE TABLE _nightjar_restore (restore, what, began, tables, saved, step)",
    ],
    [
      "ours, with other values",
      "CREATE TABLE _nightjar_restore (restore, what, began, tables, saved, step); INSERT INTO _nightjar_restore VALUES ('a', 'b', 'c', 'no JSON', NULL, 0)",
    ],
    ["a view's", "CREATE VIEW _nightjar_restore AS SELECT 1 AS restore"],
    ["capitals", "CREATE TABLE _NIGHTJAR_RESTORE (a)"],
  ])("leaves a table alone that only has the marker's name: %s", async (_, sql) => {
    const target = await PageDatabase.create(sql);
    const before = (await target.client.execute("SELECT sql FROM sqlite_schema")).rows;
    for (const way of ["pages", "statements"]) {
      const { status, last } = await askRestore(context, path, { target: target.config, way });
      expect({ status, code: last["code"] }).toEqual({ status: 409, code: "TARGET_NOT_EMPTY" });
      expect(last["detail"]).toContain("_nightjar_restore that is not Nightjar's");
    }
    expect((await target.client.execute("SELECT sql FROM sqlite_schema")).rows).toEqual(before);
  });

  it.each(["libsql_metrics", "LibSQL_vector_meta_shadow_2", "libsql_x"])(
    "takes a target with only the table %s for one that is in use",
    async (name) => {
      const target = await PageDatabase.create(
        `CREATE TABLE ${name} (v); INSERT INTO ${name} VALUES (7)`,
      );
      for (const way of ["pages", "statements"]) {
        const { last } = await askRestore(context, path, { target: target.config, way });
        expect(last).toMatchObject({ code: "TARGET_NOT_EMPTY" });
        expect(last["detail"]).toContain(`table ${name}`);
      }
      expect((await target.client.execute(`SELECT v FROM ${name}`)).rows[0]![0]).toBe(7);
    },
  );

  it("takes a target with only libSQL's own tables for an empty one", async () => {
    const target = await PageDatabase.create(
      "CREATE TABLE v (e F32_BLOB(3)); CREATE INDEX vi ON v (libsql_vector_idx(e)); DROP INDEX vi; DROP TABLE v",
    );
    const { last } = await askRestore(context, path, { target: target.config, verify: true });
    expect(last, JSON.stringify(last)).toHaveProperty("done");
  });

  it.each(["pages", "statements"])(
    "by %s brings back and compares a table libsql_metrics",
    async (way) => {
      const own = await PageDatabase.create(
        "CREATE TABLE libsql_metrics (v); INSERT INTO libsql_metrics VALUES (1)",
      );
      const owning = testContext({ own: own.config });
      const { backupId } = await backUp(owning, manualRun("own"));
      const target = await PageDatabase.create();
      const asked = { target: target.config, way, verify: true };
      const { last } = await askRestore(owning, `/v1/backups/${backupId}/restore`, asked);
      expect(last, JSON.stringify(last)).toMatchObject({ done: { verified: { rows: 1 } } });
      const { rows } = await target.client.execute("SELECT v FROM libsql_metrics");
      expect(rows).toHaveLength(1);
    },
  );
});

describe("a restore that died", () => {
  const MARKS = /CREATE TABLE _nightjar_restore/;

  /** A context whose requests to a target end with the first match: it arrives, and its answer is lost. */
  function dying(target: PageDatabase, last: RegExp, own = context): Context {
    let dead = false;
    return around(
      target,
      async (body, go) => {
        if (!dead) {
          const answer = await go();
          if (!last.test(body)) return answer;
          await answer.body?.cancel();
        }
        dead = true;
        throw new Error("gone");
      },
      own,
    );
  }

  /** Create a configured target with its own rows, which is backed up before it is overwritten. */
  async function inUse() {
    const used = await PageDatabase.create(
      "CREATE TABLE mine (v); INSERT INTO mine VALUES (7); CREATE TABLE more (v)",
    );
    const own: Context = testContext({ shop: source.config, used: used.config });
    const workflows = { ...own.workflows, create: (id: string) => runBackup(own, id, inlineStep) };
    return { used, own: { ...own, workflows } };
  }
  const intoUsed = { target: { database: "used" }, way: "statements" };

  it("when nobody could tell whether the target was marked says that it may be", async () => {
    const target = await PageDatabase.create();
    const asked = { target: target.config };
    const { last } = await askRestore(dying(target, MARKS), path, asked);
    expect(last["error"]).toMatchObject({
      code: "TARGET_UNREACHABLE",
      message: expect.stringContaining("it may have the table _nightjar_restore now") as string,
    });
    const { rows } = await target.client.execute("SELECT name FROM sqlite_schema");
    expect(rows.map((row) => row[0])).toEqual(["_nightjar_restore"]);
    expect((await askRestore(context, path, asked)).last).toHaveProperty("done");
  });

  it("once it had marked a target in use leaves it in use: it is backed up before it is wiped", async () => {
    const { used, own } = await inUse();
    const overwriting = { ...intoUsed, overwrite: true };
    const died = await askRestore(dying(used, MARKS, own), path, overwriting);
    expect(died.last["error"].message).toContain("_nightjar_restore");
    await used.exec("INSERT INTO mine VALUES (8)");

    const refused = await askRestore(own, path, intoUsed);
    expect(refused.last).toMatchObject({ code: "TARGET_NOT_EMPTY" });
    expect((await used.client.execute("SELECT v FROM mine")).rows).toHaveLength(2);

    const { last } = await askRestore(own, path, overwriting);
    expect(last, JSON.stringify(last)).toHaveProperty("done");
    const { tables } = (await findBackup(own.catalog, last["done"].saved))!.manifest;
    expect(tables).toContainEqual({ name: "mine", rows: 2 });
    const { rows } = await used.client.execute("SELECT name FROM sqlite_schema");
    expect(rows.map((row) => row[0])).toEqual(["t"]);
  });

  it("after its first step leaves what the next one wipes", async () => {
    const { used, own } = await inUse();
    const overwriting = { ...intoUsed, overwrite: true };
    const died = await askRestore(dying(used, /DROP TABLE/, own), path, overwriting);
    expect(died.last["error"].code).toBe("RESTORE_INCOMPLETE");
    const { lines, last } = await askRestore(own, path, intoUsed);
    expect(lines[0]).toMatchObject({ plan: { target: { state: "incomplete" }, saves: false } });
    expect(last, JSON.stringify(last)).toHaveProperty("done");
    const { rows } = await used.client.execute("SELECT name FROM sqlite_schema");
    expect(rows.map((row) => row[0])).toEqual(["t"]);
  });
});

describe.each(["auto", "dump"])(
  "a source that an unfinished restore has left, by %s",
  (capture) => {
    const MARK =
      "CREATE TABLE _nightjar_restore(restore TEXT NOT NULL, what TEXT NOT NULL, began TEXT NOT NULL, tables TEXT, saved TEXT, step INTEGER NOT NULL); INSERT INTO _nightjar_restore VALUES ('x', 'y', '2026-11-28T00:00:00.000Z', NULL, NULL, 4)";

    it("is backed up with a warning and unproven, and restores without the mark", async () => {
      const half = await PageDatabase.create(
        `CREATE TABLE t (v INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (1), (2); CREATE VIEW seen AS SELECT v FROM t; ${MARK}`,
      );
      const name = `half-${capture}`;
      const halves = testContext({ [name]: { ...half.config, capture } });
      const run = await backUp(halves, manualRun(name));
      expect(run.error).toBeNull();
      const api = apiOf(halves);
      const backup = await api.json(`/v1/backups/${run.backupId}`);
      expect(backup["warnings"]).toMatchObject([{ code: "RESTORE_MARKER", count: 1 }]);
      expect(backup["drill"]).toMatchObject({ outcome: "unproven" });
      expect(JSON.stringify(await api.json(`/v1/backups/${run.backupId}/proofs`))).toContain(
        "unfinished restore",
      );
      const ways = capture === "dump" ? ["statements"] : ["auto", "statements"];
      for (const way of ways) {
        const target = await PageDatabase.create();
        const asked = { target: target.config, way, verify: true };
        const { last } = await askRestore(halves, `/v1/backups/${run.backupId}/restore`, asked);
        expect(last, JSON.stringify(last)).toMatchObject({ done: { way: "statements" } });
        expect(JSON.stringify(last["done"].notes)).toContain("_nightjar_restore");
        const { rows } = await target.client.execute(
          "SELECT name FROM sqlite_schema ORDER BY name",
        );
        expect(rows.map((row) => row[0])).toEqual(["seen", "sqlite_sequence", "t"]);
        expect((await target.client.execute("SELECT count(*) FROM t")).rows[0]![0]).toBe(2);
      }
    });

    it("that only looks so is not restored into a server, but as tables", async () => {
      const looks = await PageDatabase.create(
        "CREATE TABLE t (v); INSERT INTO t VALUES (1); CREATE TABLE _nightjar_restore (note); INSERT INTO _nightjar_restore VALUES ('mine')",
      );
      const name = `looks-${capture}`;
      const looking = testContext({ [name]: { ...looks.config, capture } });
      const { backupId } = await backUp(looking, manualRun(name));
      const own = `/v1/backups/${backupId}/restore`;
      const target = await PageDatabase.create();
      const { last } = await askRestore(looking, own, { target: target.config });
      expect(last).toMatchObject({ code: "RESTORE_UNAVAILABLE" });
      const some = await askRestore(looking, own, { target: target.config, tables: ["t"] });
      expect(some.last).toHaveProperty("done");
    });
  },
);
