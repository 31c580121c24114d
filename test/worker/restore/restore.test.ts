import { inject } from "vitest";
import { beforeAll, describe as group, expect, it } from "vitest";
import type { Context } from "../../../src/worker/context.ts";
import { ISOLATE_MEMORY } from "../../../src/worker/memory.ts";
import { MemoryBudget } from "../../../src/core/memory-budget.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore, describe, describeFidelity } from "../../support/restores.ts";

let context: Context;
let backup: string;

beforeAll(async () => {
  context = testContext({ hard: { url: inject("fidelity") } });
  const run = await backUp(context, manualRun("hard"));
  expect(run.error).toBeNull();
  backup = run.backupId!;
});

/** libSQL draws random numbers when it builds a vector index. */
const notDrawn = (line: string) =>
  !/^ {2}(vectors_idx_shadow|libsql_vector_meta_shadow):/.test(line);

group("everything that is hard to carry over", () => {
  it("comes back as it was by pages", async () => {
    const target = await PageDatabase.create();
    const { last } = await askRestore(context, `/v1/backups/${backup}/restore`, {
      target: target.config,
      verify: true,
    });
    expect(last).toMatchObject({ done: { way: "pages", verified: { hashed: true } } });
    expect(await describe(target)).toEqual(await describeFidelity());
  });

  it("comes back as it was by statements", async () => {
    const target = await PageDatabase.create();
    const { last } = await askRestore(context, `/v1/backups/${backup}/restore`, {
      target: target.config,
      verify: true,
      way: "statements",
    });
    expect(last).toMatchObject({ done: { way: "statements", verified: { hashed: true } } });
    expect((await describe(target)).filter(notDrawn)).toEqual(
      (await describeFidelity()).filter(notDrawn),
    );
  });

  it("comes back as it was from rows, its virtual tables included", async () => {
    const byRows = testContext({ rows: { url: inject("fidelity"), capture: "rows" } });
    const run = await backUp(byRows, manualRun("rows"));
    const target = await PageDatabase.create();
    const { last } = await askRestore(byRows, `/v1/backups/${run.backupId}/restore`, {
      target: target.config,
      verify: true,
    });
    expect(last).toMatchObject({ done: { way: "statements", verified: { hashed: false } } });
    expect((await describe(target)).filter(notDrawn)).toEqual(
      (await describeFidelity()).filter(notDrawn),
    );
  });
});

it("gives back every connection that it compared tables on", async () => {
  const target = await PageDatabase.create();
  const opened: number[] = [];
  const closed: number[] = [];
  const fetch: Context["deps"]["fetch"] = async (url, init) => {
    const answer = await context.deps.fetch(url, init);
    if (url.endsWith("/cursor")) opened.push(answer.status);
    // A close is answered like any other request, but refused if the server does not know its baton.
    else if (opened.length > 0 && isClose(init)) closed.push(answer.status);
    return answer;
  };
  const { last } = await askRestore(
    { ...context, deps: { ...context.deps, fetch } },
    `/v1/backups/${backup}/restore`,
    { target: target.config, verify: true },
  );
  expect(last).toHaveProperty("done");
  expect(opened.length).toBeGreaterThan(50);
  expect(closed).toEqual(opened);
});

/** Detect a request that only closes a connection: PipelineReqBody { baton = 1, requests = 2 }. */
function isClose({ body }: RequestInit): boolean {
  return body instanceof Uint8Array && body[0] === 0x0a && body.subarray(-4).join() === "18,2,10,0";
}

group("a target that somebody else writes to", () => {
  const ways = ["pages", "statements"] as const;
  /** A context that runs `act` once, before the first request to a target with a matching address. */
  const interrupted = (
    target: PageDatabase,
    address: RegExp,
    nth: number,
    act: () => Promise<void>,
  ) => {
    let left = nth;
    const namespace = btoa(target.namespace).replace(/=+$/, "");
    const deps: Context["deps"] = {
      ...context.deps,
      async fetch(url, init) {
        const ours = new Headers(init.headers).get("x-namespace-bin") === namespace;
        if (ours && address.test(url) && --left === 0) await act();
        return context.deps.fetch(url, init);
      },
    };
    return { ...context, deps };
  };

  it.each(ways)("by %s: what differs is named, and the target marked", async (way) => {
    const target = await PageDatabase.create();
    const body = { target: target.config, verify: true, way };
    const path = `/v1/backups/${backup}/restore`;
    const spoil = () => target.exec("UPDATE gaps SET a = 'other' WHERE rowid = 5");
    const { last } = await askRestore(interrupted(target, /cursor$/, 1, spoil), path, body);
    expect(last).toMatchObject({
      error: {
        code: "RESTORE_DIFFERS",
        message:
          "The target is not what was restored: table gaps has other values in its 4 rows. It is marked incomplete.",
      },
    });
    // The mark has made the target a page longer, so it no longer fits by pages.
    const again = await askRestore(context, path, { ...body, way: "auto" });
    expect(again.last, JSON.stringify(again.last)).toHaveProperty("done");
    expect((await describe(target)).filter(notDrawn)).toEqual(
      (await describeFidelity()).filter(notDrawn),
    );
  });

  it.each(ways)("by %s: another restore wins, and this one says so", async (way) => {
    const target = await PageDatabase.create();
    const body = { target: target.config, way };
    const path = `/v1/backups/${backup}/restore`;
    const other = async () => {
      // In a separate isolate: in the same one it would wait until this restore has ended.
      const elsewhere = { ...context, memory: new MemoryBudget(ISOLATE_MEMORY) };
      const { last } = await askRestore(elsewhere, path, { ...body, way: "statements" });
      expect(last).toHaveProperty("done");
    };
    // The third request is the first after the mark.
    const { last } = await askRestore(interrupted(target, /pipeline$/, 3, other), path, body);
    expect(last).toMatchObject({ error: { code: "RESTORE_SUPERSEDED" } });
    expect((await describe(target)).filter(notDrawn)).toEqual(
      (await describeFidelity()).filter(notDrawn),
    );
  });
});

group("rows into tables that are there", () => {
  const path = () => `/v1/backups/${backup}/restore`;
  const rowsOnly = (target: PageDatabase, ...tables: string[]) => ({
    ...{ target: target.config, dataOnly: true },
    tables,
  });
  /** Create a target with the tables of the backup, and no rows. */
  async function withTables(): Promise<PageDatabase> {
    const target = await PageDatabase.create();
    const made = await askRestore(context, path(), { target: target.config, schemaOnly: true });
    expect(made.last).toHaveProperty("done");
    return target;
  }
  const count = async (target: PageDatabase, table: string) =>
    (await target.client.execute(`SELECT count(*) FROM ${table}`)).rows[0]![0];

  it("are refused where triggers would run on them", async () => {
    const target = await withTables();
    await target.exec("CREATE TRIGGER each AFTER INSERT ON numbers BEGIN DELETE FROM numbers; END");
    const { last } = await askRestore(context, path(), rowsOnly(target, "numbers"));
    expect(last).toMatchObject({
      code: "TARGET_UNFIT",
      detail: "Triggers of the target would run on every row: each.",
    });
    expect(await count(target, "numbers")).toBe(0);
  });

  it("are refused where a table is missing", async () => {
    const target = await PageDatabase.create("CREATE TABLE texts (v)");
    const { last } = await askRestore(context, path(), rowsOnly(target, "texts", "numbers"));
    expect(last).toMatchObject({
      code: "TARGET_UNFIT",
      detail: "The target has no table numbers.",
    });
    expect(await count(target, "texts")).toBe(0);
  });

  it("can be restored again after one of other tables died, each wiping its own", async () => {
    const target = await withTables();
    const namespace = btoa(target.namespace).replace(/=+$/, "");
    /** A context whose requests that write rows arrive, but whose answers, and all later ones, are lost. */
    const dying = (): Context => {
      let dead = false;
      const fetch: Context["deps"]["fetch"] = async (url, init) => {
        const ours = new Headers(init.headers).get("x-namespace-bin") === namespace;
        if (ours && dead) throw new Error("gone");
        const answer = await context.deps.fetch(url, init);
        const body = init.body instanceof Uint8Array ? new TextDecoder().decode(init.body) : "";
        dead = ours && /INSERT INTO "?(numbers|texts)/.test(body);
        return answer;
      };
      return { ...context, deps: { ...context.deps, fetch, sleep: async () => {} } };
    };
    const tables = ["numbers", "texts"];
    for (const table of tables) {
      const { last } = await askRestore(dying(), path(), rowsOnly(target, table));
      expect(last).toMatchObject({ error: { code: "RESTORE_INCOMPLETE" } });
    }
    const { last } = await askRestore(context, path(), rowsOnly(target, "texts"));
    expect(last, JSON.stringify(last)).toHaveProperty("done");
    expect(await count(target, "numbers")).toBe(0);
    expect(await count(target, "texts")).toBeGreaterThan(0);
  });
});

it("a dump's virtual tables are refused before the target is touched", async () => {
  const source = await PageDatabase.create(
    "CREATE VIRTUAL TABLE words USING fts5(w); CREATE TABLE t (v); INSERT INTO t VALUES (1)",
  );
  const dumping = testContext({ dumped: { ...source.config, capture: "dump" } });
  const { backupId } = await backUp(dumping, manualRun("dumped"));
  const target = await PageDatabase.create();
  const restoring = (body: object) =>
    askRestore(dumping, `/v1/backups/${backupId}/restore`, { target: target.config, ...body });
  expect((await restoring({})).last).toMatchObject({ code: "RESTORE_UNAVAILABLE" });
  const { rows } = await target.client.execute("SELECT name FROM sqlite_schema");
  expect(rows).toEqual([]);
  expect((await restoring({ tables: ["t"] })).last).toHaveProperty("done");
});
