import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { downloadCost, DOWNLOADS, ISOLATE_MEMORY } from "../../../src/worker/memory.ts";
import { MemoryBudget } from "../../../src/core/memory-budget.ts";
import { apiOf, askApp } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { askRestore } from "../../support/restores.ts";
import { PageDatabase } from "../../support/page-database.ts";

let config: Record<string, object>;
let id: string;
let memory: MemoryBudget;
let context: ReturnType<typeof testContext>;

beforeAll(async () => {
  const database = await PageDatabase.create();
  await database.fill("items", 6000);
  config = { shop: database.config };
  const first = testContext(config);
  expect(await backUp(first, manualRun("shop"))).toMatchObject({ state: "done" });
  expect(first.memory.held).toBe(0);
  id = (await newestBackup(first.catalog, "shop"))!.id;
}, 60_000);
beforeEach(() => {
  memory = new MemoryBudget(ISOLATE_MEMORY, {
    now: () => Date.now(),
    // Waiting clients run out of patience at once.
    sleep: () => new Promise((resolve) => setTimeout(resolve, 1)),
    every: () => () => {},
  });
  context = testContext(config, { memory });
});

async function linkTo(format: string): Promise<string> {
  const { url } = await apiOf(context).json(`/v1/backups/${id}/links`, { format });
  return url as string;
}

describe("admission", () => {
  it("gives as many downloads as their share has room for, and then 503 until a reader leaves", async () => {
    const url = await linkTo("db");
    const readers: ReadableStream[] = [];
    const most = Math.floor(DOWNLOADS.limit / downloadCost("snapshot", "db"));
    for (let at = 0; at < most; at++) {
      const response = await askApp(new Request(url), context);
      expect(response.status).toBe(200);
      readers.push(response.body!);
    }
    const refused = await askApp(new Request(url), context);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: "BUSY" });

    await readers.pop()!.cancel();
    const next = await askApp(new Request(url), context);
    expect(next.status).toBe(200);
    for (const reader of [...readers, next.body!]) await reader.cancel();
    await vi.waitFor(() => expect(memory.held).toBe(0));
  });

  it.each(["db", "sql"])(
    "captures while slow readers hold all that downloads may: %s",
    async (format) => {
      const url = await linkTo(format);
      const readers: ReadableStream[] = [];
      while (readers.length < 10) {
        const response = await askApp(new Request(url), context);
        if (response.status === 503) break;
        readers.push(response.body!);
      }
      expect(readers.length).toBeGreaterThan(0);
      expect(readers.length).toBeLessThan(10);
      const newest = async () => (await newestBackup(context.catalog, "shop"))!.id;
      const before = await newest();
      const run = backUp(context, manualRun("shop"));
      await vi.waitFor(async () => expect(await newest()).not.toBe(before), { timeout: 20_000 });
      expect(memory.held).toBeGreaterThan(0);
      for (const reader of readers) await reader.cancel();
      expect(await run).toMatchObject({ state: "done" });
      await vi.waitFor(() => expect(memory.held).toBe(0));
    },
  );

  it.each(["db", "db.zst", "sql", "sql.gz", "sql.zst"])(
    "gives the memory of a finished download back: %s",
    async (format) => {
      const url = await linkTo(format);
      await (await askApp(new Request(url), context)).arrayBuffer();
      await vi.waitFor(() => expect(memory.held).toBe(0));
      await askApp(new Request(url, { method: "HEAD" }), context);
      expect(memory.held).toBe(0);
    },
  );

  it("refuses a query while there is no memory for them", async () => {
    const release = await memory.hold(ISOLATE_MEMORY);
    const query = () =>
      apiOf(context).call(`/v1/backups/${id}/query`, { sql: "SELECT count(*) FROM items" });
    const refused = await query();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).not.toBeNull();
    release();
    expect((await query()).status).toBe(200);
    expect(memory.held).toBe(0);
  });

  it("lets a restore wait in line, and says so", async () => {
    const target = await PageDatabase.create();
    const release = await memory.hold(ISOLATE_MEMORY);
    setTimeout(release, 300);
    const body = { target: target.config };
    const { lines } = await askRestore(context, `/v1/backups/${id}/restore`, body);
    const states = lines.map((line) => line["state"] ?? Object.keys(line)[0]);
    expect(states[1]).toBe("waiting");
    expect(states.at(-1)).toBe("done");
    expect(memory.held).toBe(0);
  });

  it("lets a backup wait in line, and its Follower, which holds memory of its own, before it", async () => {
    const release = await memory.hold(ISOLATE_MEMORY);
    let ended = false;
    const run = backUp(context, manualRun("shop")).finally(() => (ended = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(ended).toBe(false);
    release();
    expect(await run).toMatchObject({ state: "done" });
    expect(memory.held).toBe(0);
  });

  it("takes a download from a reader that takes nothing", async () => {
    const url = await linkTo("db");
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const response = await askApp(new Request(url), context);
      const reader = response.body!.getReader();
      await reader.read();
      expect(memory.held).toBeGreaterThan(0);
      await vi.advanceTimersByTimeAsync(130_000);
      await vi.waitFor(() => expect(memory.held).toBe(0));
      const rest = async () => {
        while (!(await reader.read()).done);
      };
      await expect(rest()).rejects.toThrow();
    } finally {
      vi.useRealTimers();
    }
  });
});
