import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { planDatabases } from "../../../src/catalog/fleet/databases.ts";
import { standingsOf } from "../../../src/catalog/fleet/standings.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { runBackup } from "../../../src/jobs/backup/backup.ts";
import { runMinute } from "../../../src/jobs/schedule/minute.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { fleetHealth } from "../../../src/read/health.ts";
import { markOf } from "../../../src/source/updates/marks.ts";
import { inlineStep, testContext } from "../../support/context.ts";
import { countedD1 } from "../../support/counted-d1.ts";
import { forgetFleet } from "../../support/found-fleet.ts";
import { pagesOfSmallShop } from "../../support/small-pages.ts";
import { TursoCloudStandIn, withVersion } from "../../support/turso-cloud-stand-in.ts";

/** Databases of the fleet: as many as the variable FLEET says, for a measurement. */
const SIZE = inject("fleet");
/** Time for a fleet that is measured, ms. */
const LARGE = 1_800_000;
/** One in so many has changed since its newest backup. */
const CHANGED = 50;
const MIDNIGHT = Date.parse("2026-11-10T00:00:00Z"); // a Tuesday
const NAMES = Array.from({ length: SIZE }, (_, at) => `db-${String(at).padStart(5, "0")}`);
const CHANGING = NAMES.filter((_, at) => at % CHANGED === 7);

let cloud: TursoCloudStandIn;
let now = MIDNIGHT - DAY;
const { db, work } = countedD1(env.DB);

function contextNow() {
  return testContext(
    {},
    {
      db,
      now: () => now,
      fetch: cloud.fetch,
      secrets: { PLATFORM_TOKEN: "of-the-organization" },
      turso: { organization: "acme", token: "PLATFORM_TOKEN", every: "6h" },
    },
  );
}

/** Do one minute's work, and all runs that it started. Return what the minute itself did. */
async function minute() {
  const context = contextNow();
  const before = { ...work };
  await runMinute(context, now);
  const did = { queries: work.queries - before.queries, rows: work.rowsRead - before.rowsRead };
  for (const id of context.started) await runBackup(context, id, inlineStep);
  return { ...did, started: context.started };
}

/**
 * Give databases the backup of another one, as if each had its own: rows of the catalog, no bytes. They are not
 * read while nothing changes.
 */
async function cloneBackup(from: string, names: readonly string[], first: Page): Promise<void> {
  const { catalog } = contextNow();
  const { id, manifest } = (await newestBackup(catalog, from))!;
  const [run, lineage] = [manifest.runId, manifest.snapshot!.log!.lineage];
  const rows = names.map((name) => ({
    name,
    mark: markOf({ pgno: 1, data: withVersion(first.data, cloud.versionOf(name)) }).hash,
  }));
  // What is older than the database itself is not believed.
  await catalog.run(sql`UPDATE discovered SET first_seen_at = 0`);
  const cursor = sql`(SELECT cursor FROM lineages WHERE id = ${lineage})`;
  for (let at = 0; at < rows.length; at += 500) {
    const list = JSON.stringify(rows.slice(at, at + 500));
    const each = sql`FROM json_each(${list}) n`;
    const name = sql`(n.value ->> 'name')`;
    await catalog.run(sql`INSERT INTO lineages (id, database, why, page_size, page_count, cursor, txid, began_at, committed_at, checked_at)
      SELECT l.id || ${name}, ${name}, l.why, l.page_size, l.page_count, json_set(${cursor}, '$.marks[0].hash', n.value ->> 'mark'), l.txid, l.began_at, l.committed_at, l.checked_at
      ${each} JOIN lineages l ON l.id = ${lineage}`);
    await catalog.run(sql`INSERT INTO runs (id, database, trigger, tier, labels, state, created_at, updated_at, finished_at)
      SELECT r.id || ${name}, ${name}, r.trigger, r.tier, r.labels, r.state, r.created_at, r.updated_at, r.finished_at
      ${each} JOIN runs r ON r.id = ${run}`);
    await catalog.run(sql`INSERT INTO backups (id, run_id, database, tier, taken_at, manifest, verification, drill)
      SELECT b.id || ${name}, b.run_id || ${name}, ${name}, b.tier, b.taken_at,
        json_set(b.manifest, '$.id', b.id || ${name}, '$.database', ${name}, '$.source.url', 'https://' || ${name} || '-acme.turso.example', '$.snapshot.log.lineage', ${lineage} || ${name}),
        b.verification, b.drill
      ${each} JOIN backups b ON b.id = ${id}`);
  }
}

/** Have the clock go on for some minutes. Return what each of them did. */
async function minutes(count: number) {
  const did = [];
  for (let at = 0; at < count; at++, now += MINUTE) did.push(await minute());
  return did;
}

/** Return the rows that a minute reads in which nothing is due: the median of some. */
async function rowsOfIdleMinute(): Promise<number> {
  const idle = (await minutes(5)).filter(({ started }) => started.length === 0);
  expect(idle).toHaveLength(5);
  return idle.map(({ rows }) => rows).toSorted((a, b) => a - b)[2]!;
}

/** Have new databases found, as if each had had a backup in the night before. */
async function addCloned(names: readonly string[], first: Page): Promise<void> {
  cloud.add(names);
  now += 6 * HOUR;
  await minutes(1); // its last work reads the list
  await cloneBackup(CHANGING[0]!, names, first);
  await planDatabases(
    contextNow().catalog,
    "run",
    names.map((name) => ({ name, at: 0, lookedAt: now })),
  );
  // All are planned, and each is watched once.
  await minutes(2 + Math.ceil(names.length / 100));
}

let idleBefore = 0;
let idleAfter = 0;

beforeAll(async () => {
  await forgetFleet();
  const pages = await pagesOfSmallShop();
  cloud = new TursoCloudStandIn(pages, () => now);
  cloud.add(CHANGING);
  await minutes(20);
  for (const name of CHANGING)
    expect((await newestBackup(contextNow().catalog, name))?.verification).toMatchObject({
      outcome: "verified",
    });
  const cloned = NAMES.filter((name) => !CHANGING.includes(name));
  await addCloned(cloned.slice(0, 150), pages[0]!);
  idleBefore = await rowsOfIdleMinute();
  await addCloned(cloned.slice(150), pages[0]!);
  idleAfter = await rowsOfIdleMinute();
}, LARGE);

describe("a fleet's night", () => {
  it("reads as much of the catalog in a minute, however many databases are not due", async ({
    annotate,
  }) => {
    await annotate(
      `rows of an idle minute: ${idleBefore} of 160 databases, ${idleAfter} of ${SIZE}`,
    );
    expect(idleAfter).toBeLessThan(idleBefore * 1.2);
  });

  it(
    "confirms what has not changed by one request, and backs up the rest, each once",
    { timeout: LARGE },
    async ({ annotate }) => {
      for (const name of CHANGING) cloud.change(name);
      now = MIDNIGHT;
      cloud.takeRequests();
      const did = await minutes(62);
      const started = did.flatMap((one) => one.started);
      expect(started.toSorted()).toEqual(CHANGING.map((name) => `${name}-20261110T000000Z`));
      const requests = cloud.takeRequests();
      const unchanged = NAMES.filter((name) => !CHANGING.includes(name));
      expect(unchanged.filter((name) => requests.get(name) !== 1)).toEqual([]);
      const context = contextNow();
      const standings = await standingsOf(context.catalog, NAMES);
      for (const name of unchanged)
        expect(standings.get(name), name).toMatchObject({
          backups: 1,
          newest: { stands: { times: 1 } },
        });
      for (const name of CHANGING) {
        expect(standings.get(name), name).toMatchObject({
          backups: 2,
          newest: { stands: undefined },
        });
        const { manifest } = (await newestBackup(context.catalog, name))!;
        expect(manifest.schema.userVersion).toBe(cloud.versionOf(name));
      }
      const healths = await fleetHealth(context, [...(await context.fleet.all()).values()]);
      expect(healths.size).toBe(SIZE);
      for (const [name, { state }] of healths) expect(state, name).toBe("fresh");
      const rows = did.map((one) => one.rows);
      const busiest = Math.max(...rows);
      // D1 takes 1,000 queries of one invocation (Cloudflare's documentation, D1 limits).
      const queries = Math.max(...did.map((one) => one.queries));
      expect(queries).toBeLessThan(1000);
      await annotate(
        `${started.length} of ${SIZE} backed up, ${cloud.mints.length} tokens; at the most ${busiest} rows read in a minute, and ${queries} queries`,
      );
    },
  );
});
