import { inject } from "vitest";
import { beforeAll, describe, expect, it } from "vitest";
import type { Context } from "../../../src/worker/context.ts";
import { MemoryBudget } from "../../../src/core/memory-budget.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";

/** Restores into one target at the same time: one is done, and the others return an error. */
let context: Context;
let path: string;

beforeAll(async () => {
  const source = await PageDatabase.create("CREATE TABLE one (v); CREATE INDEX by_v ON one (v)");
  await source.fill("pads", 300);
  await source.exec("INSERT INTO one SELECT id FROM pads");
  context = testContext({ shop: source.config }, { memory: new MemoryBudget(2 ** 40) });
  const { backupId } = await backUp(context, manualRun("shop"));
  path = `/v1/backups/${backupId}/restore`;
});

/** Create a seeded generator of numbers below 1. */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Create a context that delays each request to a server. */
function jittery(random: () => number, most: number): Context {
  const fetch: Context["deps"]["fetch"] = async (url, init) => {
    if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * most));
    return context.deps.fetch(url, init);
  };
  return { ...context, deps: { ...context.deps, fetch } };
}

const TOLD = ["TARGET_NOT_EMPTY", "RESTORE_SUPERSEDED", "TARGET_REFUSED", "TARGET_UNFIT"];

async function race(seed: number): Promise<void> {
  const random = chance(seed);
  const target = await PageDatabase.create();
  const runners = random() < 0.5 ? 2 : 3;
  const restores = Array.from({ length: runners }, async () => {
    const way = random() < 0.6 ? "pages" : "statements";
    const late = random() * 120;
    const through = jittery(random, random() < 0.5 ? 2 : 25);
    await new Promise((resolve) => setTimeout(resolve, late));
    const { last } = await askRestore(through, path, { target: target.config, way });
    return { way, last };
  });
  const ended = await Promise.all(restores);
  const words = `seed ${seed}: ${JSON.stringify(ended)}`;
  const done = ended.filter(({ last }) => "done" in last);
  const codes = ended
    .filter(({ last }) => !("done" in last))
    .map(({ last }) => String(last["code"] ?? last["error"]["code"]));
  expect(done, words).toHaveLength(1);
  for (const code of codes) expect(TOLD, words).toContain(code);
  const { rows } = await target.client.execute("SELECT name FROM sqlite_schema ORDER BY name");
  expect(
    rows.map((row) => row[0]),
    words,
  ).toEqual(["by_v", "one", "pads"]);
  const counted = await target.client.execute(
    "SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM pads)",
  );
  expect(Array.from(counted.rows[0]!), words).toEqual([300, 300]);
}

describe("restores that race into one target", () => {
  it("leave it whole and unmarked, and all but one are told", { timeout: 3_600_000 }, async () => {
    const first = inject("trials") === null ? 20_261_128 : Date.now() % 1_000_000_000;
    for (let trial = 0; trial < (inject("trials") ?? 6); trial++) await race(first + trial);
  });

  it.each([1, 2])(
    "by pages: one that ends before the other's request %i stays whole",
    async (nth) => {
      const target = await PageDatabase.create();
      const namespace = btoa(target.namespace).replace(/=+$/, "");
      const asked = { target: target.config, way: "pages" };
      /** Create a context that waits for `act` before the nth request to the target. */
      const before = (which: number, act: () => Promise<unknown>): Context => {
        let requests = 0;
        const fetch: Context["deps"]["fetch"] = async (url, init) => {
          const ours = new Headers(init.headers).get("x-namespace-bin") === namespace;
          if (ours && ++requests === which) await act();
          return context.deps.fetch(url, init);
        };
        return { ...context, deps: { ...context.deps, fetch } };
      };
      // The first restore looks, marks, and waits.
      const { promise: goes, resolve: go } = Promise.withResolvers<void>();
      const { promise: marks, resolve: marked } = Promise.withResolvers<void>();
      const waiting = before(3, () => {
        marked();
        return goes;
      });
      const first = askRestore(waiting, path, asked);
      await marks;
      const ending = before(nth, async () => {
        go();
        await first;
      });
      const { last } = await askRestore(ending, path, asked);
      expect((await first).last).toHaveProperty("done");
      expect(TOLD, JSON.stringify(last)).toContain(last["code"] ?? last["error"]?.code);
      const { rows } = await target.client.execute("SELECT name FROM sqlite_schema ORDER BY name");
      expect(rows.map((row) => row[0])).toEqual(["by_v", "one", "pads"]);
    },
  );
});
