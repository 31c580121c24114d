import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Context } from "../../src/context.ts";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { PageDatabase } from "../support/page-database.ts";
import { askRestore } from "../support/restores.ts";

/** What a restore into a server refuses, notices, and gets over. */
let context: Context;
let source: PageDatabase;
let emptied: PageDatabase;
let path: string;

beforeAll(async () => {
  vi.spyOn(console, "info").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
  source = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES (1), (2)");
  emptied = await PageDatabase.create("CREATE TABLE t (v)");
  context = testContext({ shop: source.config, emptied: emptied.config });
  const { backupId } = await backUp(context, manualRun("shop"));
  path = `/v1/backups/${backupId}/restore`;
});

/** The context, whose requests to one target go through `around`. */
function around(
  target: PageDatabase,
  instead: (body: string, go: () => Promise<Response>) => Promise<Response>,
): Context {
  const namespace = btoa(target.namespace).replace(/=+$/, "");
  const fetch: Context["deps"]["fetch"] = (url, init) => {
    const go = () => context.deps.fetch(url, init);
    if (new Headers(init.headers).get("x-namespace-bin") !== namespace) return go();
    const body = init.body instanceof Uint8Array ? new TextDecoder().decode(init.body) : "";
    return instead(body, go);
  };
  return { ...context, deps: { ...context.deps, fetch, sleep: async () => {} } };
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
});
