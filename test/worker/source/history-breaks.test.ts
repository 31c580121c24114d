import { describe, expect, it, vi } from "vitest";
import { lineagesOf, openLineage } from "../../../src/catalog/lineages.ts";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import type { Context } from "../../../src/worker/context.ts";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { log } from "../../../src/core/log.ts";
import type { SyncCursor } from "../../../src/model/manifest.ts";
import { readRow } from "../../../src/libsql/cursor.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { askMoment } from "../../support/log-moments.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { spoiling } from "../../support/spoiled-frames.ts";
import { pullAll, Replica, StandInDatabase } from "../../support/sync-client.ts";

describe("the sync protocol's history", () => {
  for (const again of [5, 3, 1, 0])
    it(`is not gone on in when the database was put back: 3 transactions were lost, ${again} came anew`, async () => {
      const database = new StandInDatabase();
      await database.exec(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 0)",
      );
      const replica = new Replica();
      await pullAll(database, replica);
      await database.save();
      for (let value = 1; value <= 3; value++) await database.exec(`UPDATE t SET v = ${value}`);
      await pullAll(database, replica);
      await database.putBack();
      for (let value = 1; value <= again; value++)
        await database.exec(`UPDATE t SET v = ${-value}`);
      const { bases } = await pullAll(database, replica);
      expect(bases.length).toBe(1);
      await database.exec("UPDATE t SET v = 9");
      expect((await pullAll(database, replica)).bases).toEqual([]);
    });

  it("is not gone on in when a generation of the same number began otherwise", async () => {
    const database = new StandInDatabase();
    await database.write("old", 30);
    await database.save();
    await database.exec("CREATE TABLE a (v)");
    await database.checkpoint();
    const replica = new Replica();
    await pullAll(database, replica);
    expect(replica.cursor).toMatchObject({ generation: 2, frame: 0 });
    expect((await pullAll(database, replica)).bases).toEqual([]);
    await database.putBack();
    await database.exec("CREATE TABLE b (v)");
    await database.checkpoint();
    await database.write("new", 3);
    const { bases } = await pullAll(database, replica);
    expect(bases[0]!.why).toContain("start of generation 2 is not the one");
  });

  it("is read whole once after a cursor of a version that left no mark", async () => {
    const database = new StandInDatabase();
    await database.write("t", 3);
    const replica = new Replica();
    await pullAll(database, replica);
    const { generation, frame } = replica.cursor as SyncCursor;
    replica.cursor = { protocol: "sync", generation, frame };
    expect((await pullAll(database, replica)).bases.length).toBe(1);
    expect((await pullAll(database, replica)).bases).toEqual([]);
  });
});

describe("pages that cannot be true", () => {
  async function begun(name: string, config: { url: string }, protocol: "sync" | "replica") {
    const context = testContext({ [name]: config });
    const method = { protocol, image: protocol === "replica", why: "a test" } as const;
    await recordMethod(context.catalog, name, config.url, method, Date.now());
    expect((await backUp(context, manualRun(name))).state).toBe("done");
    return context;
  }
  async function after(context: Context, name: string, table: string) {
    const { lineage, txid } = (await context.followers.pull(name))!;
    const count = `SELECT count(*) FROM ${table}`;
    return {
      rows: (await askMoment(context, name, { lineage, txid }, count))[0]![0],
      lineages: (await lineagesOf(context.catalog, name)).length,
      why: (await openLineage(context.catalog, name))!.why,
    };
  }

  for (const times of [1, 2, Infinity])
    it(`of a log (${times} times) are pulled once more, and then the whole database`, async () => {
      const database = await PageDatabase.create();
      await database.fill("items", 40);
      const name = `spoiled-${times}`.toLowerCase();
      const context = await begun(name, database.config, "replica");
      await database.fill("items", 40);
      let spoiled = 0;
      let spoils = false;
      const { deps } = spoiling(
        "LogEntries",
        (frame, number) => {
          if (spoils && number === 3) frame[2000]! ^= 1;
          return [frame];
        },
        () => {
          spoils = spoiled++ < times;
        },
      );
      Object.assign(context.deps, { fetch: deps.fetch });
      const { rows, lineages, why } = await after(context, name, "items");
      expect(rows).toBe("80");
      expect(lineages).toBe(times === 1 ? 1 : 2);
      if (times > 1) expect(why).toContain("did not fit the log");
    });

  for (const times of [1, 2])
    it(`of the sync protocol (${times} times) are pulled once more, and then the whole database`, async () => {
      const database = new StandInDatabase();
      await database.write("t", 5);
      const name = `sync-spoiled-${times}`;
      const context = await begun(name, { url: database.source.url }, "sync");
      await database.write("t", 5);
      await database.fault({ on: "sync", end: -1, times });
      const { rows, lineages } = await after(context, name, "t");
      expect(rows).toBe("10");
      expect(lineages).toBe(times);
    });

  it("of a transaction that breaks off never meet another history in the log", async () => {
    const database = new StandInDatabase();
    await database.write("t", 5);
    const name = "broken-off";
    const context = await begun(name, { url: database.source.url }, "sync");
    await database.exec("INSERT INTO t (data) VALUES ('complete')");
    await database.write("lost", 300); // of several batches
    await database.fault({ on: "sync", skip: 1, before: "checkpoint, forget" });
    const { rows, lineages } = await after(context, name, "t");
    expect(rows).toBe("6");
    expect(lineages).toBe(2);
    await database.exec("INSERT INTO t (data) VALUES ('later')");
    expect(await after(context, name, "t")).toMatchObject({ rows: "7", lineages: 2 });
    expect(await after(context, name, "lost")).toMatchObject({ rows: "300" });
  });
});

it("a server that always begins a new history and then makes no sense is given up", async () => {
  const database = new StandInDatabase();
  await database.write("t", 5);
  const context = testContext({ restless: { url: database.source.url } });
  const method = { protocol: "sync", image: false, why: "a test" } as const;
  await recordMethod(context.catalog, "restless", database.source.url, method, Date.now());
  await context.followers.pull("restless");
  let bases = 0;
  let next: "gone" | "base" | "nonsense" = "gone";
  const fetch: Deps["fetch"] = async (url, init) => {
    if (url.endsWith("/info") || bases === 20) return systemDeps.fetch(url, init);
    if (next === "nonsense") {
      next = "gone";
      return new Response(new Uint8Array(24 + 4096));
    }
    if (next === "gone") await database.checkpoint("forget");
    else bases++;
    next = next === "gone" ? "base" : "nonsense";
    return systemDeps.fetch(url, init);
  };
  Object.assign(context.deps, { fetch });
  await expect(context.followers.pull("restless")).rejects.toMatchObject({ code: "PAGES_INVALID" });
  expect(bases).toBeGreaterThan(1);
});

it("a length without an end is an answer that makes no sense", async () => {
  const source = {
    url: "http://cursor.example",
    namespace: undefined,
    token: undefined,
    stallMs: 5000,
  };
  for (const bytes of [new Uint8Array(6).fill(0xff), new Uint8Array(300_000).fill(0x80)]) {
    const fetch: Deps["fetch"] = async () => new Response(new Blob([bytes]).stream());
    await expect(readRow(source, { ...systemDeps, fetch }, "SELECT 1")).rejects.toMatchObject({
      code: "PAGES_INVALID",
      message: expect.stringContaining("whose length has no end"),
    });
  }
});

it("nothing that a line of the log says takes the place of its level and its event", () => {
  const lines = vi.spyOn(console, "info");
  const fields = { level: 9, event: "another", database: "shop" };
  log.info("log-compacted", fields as never);
  expect(JSON.parse(lines.mock.calls.at(-1)![0] as string)).toEqual({
    level: "info",
    event: "log-compacted",
    database: "shop",
  });
});
