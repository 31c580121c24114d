import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { lineagesOf, openLineage } from "../../../src/catalog/lineages.ts";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import type { Context } from "../../../src/worker/context.ts";
import type { ReplicaCursor } from "../../../src/model/manifest.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { momentOf } from "../../../src/read/moment.ts";
import { chanceOf } from "../../support/chance.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { fileOf } from "../../support/log-moments.ts";
import type { Mortality } from "../../support/mortal-sqld.ts";
import { tellMortal } from "../../support/tell-mortal.ts";
import { differences, newestFile, ServerHistory } from "../../support/server-history.ts";

/*
 * sqld keeps its log's id and goes on counting frames when an older copy of its data folder is put back.
 */

const { DB } = env;
const server = inject("rolledBack");
const trials = inject("histories");
const EVENTS = 12;

beforeAll(async () => {
  await tellMortal(server.control, { signal: "SIGTERM", save: "fresh" });
});

async function contextOf(name: string, image = true): Promise<Context> {
  const context = testContext({ [name]: { url: server.url } });
  const method = { protocol: "replica", image, why: "a test" } as const;
  await recordMethod(context.catalog, name, server.url, method, Date.now() + 30 * DAY);
  return context;
}

/** Make a backup; it must be good and contain what the server contains now. */
async function expectEqual(
  context: Context,
  name: string,
  history: ServerHistory,
  when = "",
): Promise<void> {
  const run = await backUp(context, manualRun(name));
  expect(run.state, `${when}: ${JSON.stringify(run.error)}`).toBe("done");
  expect(await differences(await newestFile(context, name), history.client), when).toEqual([]);
}

/** Expect the same of a pull, from which the next backup would be made. */
async function expectPulled(
  context: Context,
  name: string,
  history: ServerHistory,
  when: string,
): Promise<void> {
  const { lineage, txid } = (await context.followers.pull(name))!;
  const file = await fileOf(context, await momentOf(context, name, lineage, txid));
  expect(await differences(file, history.client), when).toEqual([]);
}

async function cursorOf({ catalog }: Context, name: string): Promise<ReplicaCursor> {
  return (await openLineage(catalog, name))!.cursor as ReplicaCursor;
}

describe("an older copy of the server's data that is put back", () => {
  const cases: [string, number, Partial<Mortality>, boolean][] = [
    ["with more frames than were lost", 5, {}, false],
    ["with as many frames as were lost", 3, {}, false],
    ["with as many frames as were lost, after a cursor of a snapshot", 3, {}, true],
    ["with fewer frames than were lost", 1, {}, false],
    ["as the file `data` only, with more frames", 5, { only: "data" }, false],
    ["as the file `data` only, with nothing written to it", 0, { only: "data" }, true],
  ];
  for (const [what, again, how, bySnapshot] of cases)
    it(`begins a new lineage: ${what}`, async () => {
      const name = `put-back-${crypto.randomUUID()}`;
      const context = await contextOf(name);
      const history = new ServerHistory(server, chanceOf(1));
      await history.begin();
      await expectEqual(context, name, history);
      await history.touch(3);
      if (bySnapshot) await compact(history);
      await expectEqual(context, name, history);
      const { id } = (await openLineage(context.catalog, name))!;

      await history.change({ signal: "SIGTERM", from: "start", ...how });
      await history.touch(again);
      await expectEqual(context, name, history);
      const now = (await openLineage(context.catalog, name))!;
      expect(now.id).not.toBe(id);
      expect(now.why).toContain("was restarted");
      await history.touch(2);
      await context.followers.pull(name);
      expect((await openLineage(context.catalog, name))!.id).toBe(now.id);
    });

  /** Make the server compact its last frame, so that the frame has no checksum any more. */
  async function compact(history: ServerHistory): Promise<void> {
    await history.client.executeMultiple(`
      CREATE TABLE big AS SELECT hex(randomblob(4000)) FROM items a, items b LIMIT 400; DROP TABLE big;`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
});

it("a cursor of a version that kept no session is followed by one whole read, and then bound", async () => {
  const name = `old-${crypto.randomUUID()}`;
  const context = await contextOf(name);
  const history = new ServerHistory(server, chanceOf(2));
  await history.begin();
  await expectEqual(context, name, history);
  const lineage = (await openLineage(context.catalog, name))!;
  const { session, ...old } = lineage.cursor as ReplicaCursor;
  expect(session).toMatch(/^[0-9a-f]{32}$/);
  expect(old.checksum).toMatch(/^[0-9a-f]{16}$/);
  await DB.prepare("UPDATE lineages SET cursor = ? WHERE id = ?")
    .bind(JSON.stringify(old), lineage.id)
    .run();
  await history.touch();
  await expectEqual(context, name, history);
  await expectEqual(context, name, history);
  const lineages = await lineagesOf(context.catalog, name);
  expect(lineages.length).toBe(2);
  expect((await cursorOf(context, name)).session).toBe(session);
});

it(
  "whatever happens to a server, each backup is what the server then holds",
  async () => {
    const seeds = Array.from({ length: trials.count }, (_, trial) => trials.seed + trial);
    let lineages = 0;
    for (const seed of seeds) {
      const chance = chanceOf(seed);
      const image = chance.happens(0.75);
      const name = `history-${seed}`;
      const context = await contextOf(name, image);
      const history = new ServerHistory(server, chance);
      await history.begin();
      for (let event = 0; event < EVENTS; event++) {
        const kind = chance.next();
        // Without images there is only the log, which does not show that a file was exchanged.
        const only = image && chance.happens(0.4) ? "data" : undefined;
        if (kind < 0.15) await history.rollBack(only);
        else if (kind < 0.25) await history.change({ signal: "SIGTERM", save: `copy-${event}` });
        else if (kind < 0.3) await history.change({ signal: "SIGTERM" });
        else if (kind < 0.35) await history.change({ signal: "SIGKILL" });
        else if (kind < 0.5) await history.touch(1 + chance.below(4));
        else if (kind < 0.7) await history.write();
        else {
          history.told.push("backup");
          const expectation =
            (await openLineage(context.catalog, name)) === undefined || chance.happens(0.3)
              ? expectEqual
              : expectPulled;
          await expectation(context, name, history, `seed ${seed}: ${history.told.join("; ")}`);
        }
      }
      await expectEqual(context, name, history, `seed ${seed}: ${history.told.join("; ")}`);
      lineages += (await lineagesOf(context.catalog, name)).length;
    }
    expect(lineages).toBeGreaterThanOrEqual(trials.count);
  },
  4 * 3_600_000,
);
