import { env } from "cloudflare:workers";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { takeDue } from "../../../src/catalog/fleet/databases.ts";
import { openIncidents } from "../../../src/catalog/watch/incidents.ts";
import { readBeats } from "../../../src/catalog/watch/beats.ts";
import { discoverIfDue } from "../../../src/jobs/discovery/discover.ts";
import { HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { failing, KilledError } from "../../support/failing.ts";
import { forgetFleet, FoundFleet, rowsOf } from "../../support/found-fleet.ts";
import { TursoCloudStandIn } from "../../support/turso-cloud-stand-in.ts";

// What is planned here is due in no other file.
afterAll(forgetFleet);

const T0 = Date.parse("2026-11-10T10:00:00Z");
const EVERY = 6 * HOUR;
const NAMES = Array.from({ length: 2494 }, (_, at) => `db-${String(at).padStart(4, "0")}`);

let fleet: FoundFleet;
/** The last row of the audit before the test. */
let seq = 0;

beforeEach(async () => {
  await forgetFleet();
  [{ seq }] = (await rowsOf("SELECT coalesce(max(seq), 0) AS seq FROM audit")) as [{ seq: number }];
  fleet = new FoundFleet([], T0);
  fleet.turso = { every: "6h" };
});

const list = (more: Parameters<FoundFleet["context"]>[0] = {}) =>
  discoverIfDue(fleet.context(more), fleet.now);

/** What the catalog has of the fleet, moments left out. */
async function state() {
  return {
    listed: await rowsOf("SELECT name, turso_id FROM discovered WHERE gone_at IS NULL ORDER BY 1"),
    gone: await rowsOf("SELECT name FROM discovered WHERE gone_at IS NOT NULL ORDER BY 1"),
    planned: await rowsOf("SELECT name FROM databases ORDER BY 1"),
  };
}

const audited = async () =>
  (
    await rowsOf<{ detail: string }>(
      `SELECT detail FROM audit WHERE action = 'discovery' AND seq > ${seq} ORDER BY seq`,
    )
  ).map(({ detail }) => JSON.parse(detail) as Record<string, unknown>);

/** A D1 that keeps the statements that it prepares. */
function recorded(db: D1Database): { db: D1Database; statements: string[] } {
  const statements: string[] = [];
  const get = (target: D1Database, name: string | symbol) => {
    const member: unknown = Reflect.get(target, name, target);
    if (typeof member !== "function") return member;
    return (...args: unknown[]): unknown => {
      if (name === "prepare") statements.push(String(args[0]));
      return Reflect.apply(member, target, args);
    };
  };
  return { db: new Proxy(db, { get }), statements };
}

describe("a list of 2,500 databases", () => {
  beforeEach(() => {
    fleet.cloud.add(NAMES.slice(0, 1200));
    fleet.cloud.add(["shop-test", "taken", "own"]);
    fleet.cloud.add(["elsewhere"], "us");
    fleet.cloud.add(NAMES.slice(1200), "eu");
    fleet.cloud.add(["blog-test", "old-test"]);
    fleet.turso = { every: "6h", groups: ["default", "eu"], exclude: ["*-test"] };
    fleet.databases = {
      taken: { url: "https://another.example" },
      store: { url: `https://${TursoCloudStandIn.hostOf("own")}` },
    };
  });

  it("is entered whole, and what is protected of it is planned and due", async () => {
    await list();
    expect(await rowsOf("SELECT count(*) AS n FROM discovered")).toEqual([{ n: 2500 }]);
    const planned = (
      await rowsOf<{ name: string }>("SELECT name FROM databases ORDER BY name")
    ).map(({ name }) => name);
    expect(planned).toEqual(NAMES);
    const { catalog, fleet: all } = fleet.context();
    const due = await takeDue(catalog, "run", fleet.now, fleet.now, 5000);
    expect(due.map(({ name }) => name)).toEqual(NAMES);
    expect(due.every(({ lastLookAt }) => lastLookAt === undefined)).toBe(true);
    expect([...(await all.all()).keys()].toSorted()).toEqual(
      [...NAMES, "taken", "store"].toSorted(),
    );
    expect((await all.find("taken"))!.url).toBe("https://another.example");
    for (const name of ["shop-test", "elsewhere", "own", "nobody"])
      expect(await all.find(name), name).toBeUndefined();
    expect(await audited()).toMatchObject([{ listed: 2500, addedCount: 2500, goneCount: 0 }]);
  });

  it("that comes again changes nothing, and is not read before its time", async () => {
    await list();
    const before = await audited();
    const pages = fleet.cloud.listings;
    fleet.now += EVERY - 1;
    await list();
    expect(fleet.cloud.listings).toBe(pages);
    fleet.now += 1;
    const { db, statements } = recorded(env.DB);
    await list({ db });
    expect(fleet.cloud.listings).toBe(2 * pages);
    expect(statements.filter((sql) => /discovered/.test(sql) && !/^select/i.test(sql))).toEqual([]);
    expect(statements.length).toBeGreaterThan(25);
    expect(await audited()).toEqual(before);
  });

  it("starts runs of as many as may run, and the others later", async () => {
    fleet.cloud.broken = (path) =>
      path.includes("/auth/tokens") ? new Response("down", { status: 503 }) : undefined;
    await fleet.minute();
    const context = fleet.context();
    const started = await fleet.minute();
    expect(started).toHaveLength(context.config.runsAtOnce);
    expect(started.every((id) => NAMES.includes(id.replace(/-\d{8}T.*/, "")))).toBe(true);
  });
});

describe("a list whose pages fail", () => {
  /** Fail the second page a number of times. */
  function breakSecondPage(times: number): void {
    let left = times;
    fleet.cloud.broken = (path) =>
      path.endsWith("cursor=100") && left-- > 0
        ? new Response("overloaded", { status: 503 })
        : undefined;
  }

  it("is whole when they come at last", async () => {
    fleet.cloud.add(NAMES.slice(0, 250));
    breakSecondPage(4);
    await list();
    expect((await state()).planned).toHaveLength(250);
  });

  it("has nothing gone when they do not, and keeps what came before", async () => {
    fleet.cloud.add(NAMES.slice(50, 250));
    await list();
    fleet.cloud.remove(NAMES[60]!);
    fleet.cloud.remove(NAMES[249]!);
    fleet.cloud.remove(NAMES[51]!)(); // now the last
    fleet.now += EVERY;
    breakSecondPage(Infinity);
    await expect(list()).rejects.toMatchObject({ code: "PLATFORM_UNREACHABLE" });
    const { listed, gone } = await state();
    expect([listed.length, gone]).toEqual([200, []]);
    const { discovery, discovered } = await readBeats(fleet.context().catalog);
    expect(discovery).toMatchObject({ at: fleet.now, error: { code: "PLATFORM_UNREACHABLE" } });
    expect(discovered).toEqual({ at: T0, error: null });
    // It is read again soon, and not at once.
    fleet.cloud.broken = () => undefined;
    const pages = fleet.cloud.listings;
    fleet.now += 5 * MINUTE - 1;
    await list();
    expect(fleet.cloud.listings).toBe(pages);
    fleet.now += 1;
    await list();
    expect((await state()).gone).toEqual([{ name: NAMES[60]! }, { name: NAMES[249]! }]);
  });

  it("enters what is new on the pages before", async () => {
    fleet.cloud.add(NAMES.slice(0, 150));
    breakSecondPage(Infinity);
    await expect(list()).rejects.toMatchObject({ code: "PLATFORM_UNREACHABLE" });
    expect((await state()).planned).toEqual(NAMES.slice(0, 100).map((name) => ({ name })));
  });

  it("is told of after two intervals, and until a list is read", async () => {
    fleet.turso = { every: "1h" };
    fleet.cloud.add(NAMES.slice(0, 3));
    const opened = async () =>
      (await openIncidents(fleet.context().catalog))
        .filter(({ rule }) => rule === "discovery-failed")
        .map(({ severity, summary }) => ({ severity, summary }));
    await fleet.minutes(2);
    fleet.cloud.broken = (path) =>
      path.includes("/databases?") ? new Response("down", { status: 503 }) : undefined;
    fleet.now = T0 + HOUR;
    await fleet.minute(); // fails
    fleet.now = T0 + 2 * HOUR - MINUTE;
    await fleet.minutes(2);
    expect(await opened()).toEqual([]);
    await fleet.minutes(2);
    expect(await opened()).toMatchObject([{ severity: "warning" }]);
    const [{ summary }] = (await opened()) as unknown as [{ summary: string }];
    expect(summary).toContain("was last read 2 h 1 min ago");
    expect(summary).toContain("503: down. [PLATFORM_UNREACHABLE]");
    fleet.now = T0 + 25 * HOUR;
    await fleet.minutes(2);
    expect(await opened()).toMatchObject([{ severity: "critical" }]);
    fleet.cloud.broken = () => undefined;
    await fleet.minutes(7);
    expect(await opened()).toEqual([]);
    expect(fleet.inbox.filter((line) => line.includes("listed"))).toEqual([
      "Nightjar: databases could not be listed",
      "Worse: Nightjar: databases could not be listed",
      "Over: Nightjar: databases could not be listed",
    ]);
  });
});

it("leaves incidents open while TURSO has a mistake, as nobody can tell what is protected", async () => {
  fleet.cloud.add(["shop"]);
  await fleet.minutes(4); // its run fails: it has no pages
  const open = async () =>
    (await openIncidents(fleet.context().catalog)).map(({ rule, database }) => [rule, database]);
  expect(await open()).toContainEqual(["run-failed", "shop"]);
  fleet.options = { secrets: { OPS_URL: "https://alerts.example/x" } };
  await fleet.minutes(4);
  expect(await open()).toContainEqual(["misconfigured", null]);
  expect(await open()).toContainEqual(["run-failed", "shop"]);
  // One that is known to be gone has none.
  fleet.options = {};
  fleet.cloud.remove("shop");
  await fleet.minutes(10);
  expect((await open()).map(([, database]) => database)).not.toContain("shop");
});

it.each([
  ["killed", () => new KilledError()],
  ["refused", () => new Error("injected")],
])(
  "a list that is cut off at any call to the catalog (%s) is read again",
  { timeout: 300_000 },
  async (_, error) => {
    const alter = () => {
      fleet.cloud.remove("db-0003");
      fleet.cloud.recreate("db-0005");
      fleet.cloud.remove("db-0107");
      fleet.cloud.add(["new-1", "new-2"]);
    };
    for (let call = 1; ; call++) {
      await forgetFleet();
      fleet = new FoundFleet([], T0);
      fleet.turso = { every: "6h" };
      fleet.cloud.add(NAMES.slice(0, 120));
      await list();
      alter();
      fleet.now += EVERY;
      const fault = failing(env, "db", call, error);
      await list({ db: fault.db }).catch(() => {});
      const when = `call ${call}: ${fault.what()}`;
      const between = (await state()).gone.map((row) => (row as { name: string }).name);
      expect([[], ["db-0003", "db-0107"]], when).toContainEqual(between);
      for (let minute = 0; minute < 16; minute++, fleet.now += MINUTE) await list();
      const { listed, gone, planned } = await state();
      expect(gone, when).toEqual([{ name: "db-0003" }, { name: "db-0107" }]);
      expect(listed, when).toHaveLength(120);
      expect(listed, when).toContainEqual({ name: "db-0005", turso_id: "id-121" });
      expect(planned, when).toHaveLength(122); // those that are gone are removed when they are due
      const told = await rowsOf("SELECT id FROM incidents WHERE rule = 'databases-gone'");
      expect(told.length, when).toBeLessThanOrEqual(1);
      if (fault.happened()) continue;
      expect(call).toBeGreaterThan(8);
      expect(told).toHaveLength(1);
      break;
    }
  },
);
