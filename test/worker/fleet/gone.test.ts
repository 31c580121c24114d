import { env } from "cloudflare:workers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { listBackups, newestBackup } from "../../../src/catalog/backups.ts";
import { knownMethod } from "../../../src/catalog/fleet/methods.ts";
import { lineagesOf, openLineage } from "../../../src/catalog/lineages.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { discoverIfDue } from "../../../src/jobs/discovery/discover.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { lifecycleRules } from "../../../src/plan/lifecycle.ts";
import { parseKey } from "../../../src/store/keys.ts";
import { FIRST_CAPTURE } from "../../../src/source/pages.ts";
import { planOf } from "../../support/plan-of.ts";
import { apiOf } from "../../support/api.ts";
import { allKeys, backUp, manualRun } from "../../support/context.ts";
import { forgetFleet, FoundFleet, rowsOf } from "../../support/found-fleet.ts";
import { pagesOfSmallShop } from "../../support/small-pages.ts";
import { TursoCloudStandIn } from "../../support/turso-cloud-stand-in.ts";

// What is planned here is due in no other file.
afterAll(forgetFleet);

const { BUCKET } = env;
const T0 = Date.parse("2026-11-10T10:00:00Z"); // a Tuesday
const MIDNIGHT = T0 + 14 * HOUR;

let pages: Page[];
let fleet: FoundFleet;

beforeAll(async () => {
  pages = await pagesOfSmallShop();
});

beforeEach(async () => {
  await forgetFleet();
  fleet = new FoundFleet(pages, T0);
});

const newest = async (name: string) => (await newestBackup(fleet.context().catalog, name))!;

/** Read the list as it is now. */
async function list(): Promise<void> {
  fleet.now += HOUR;
  await discoverIfDue(fleet.context(), fleet.now);
}

describe("a database that Turso lists no longer", () => {
  it("is backed up no more, keeps what there is, is told of once, and is planned when it is back", async () => {
    fleet.cloud.add(["lost", "stays"]);
    expect((await fleet.minutes(2)).map((id) => id.replace(/-\d{8}T.*/, ""))).toEqual([
      "lost",
      "stays",
    ]);
    const { id, manifest } = await newest("lost");
    const version = fleet.cloud.versionOf("lost");
    expect(manifest.schema.userVersion).toBe(version);
    const putBack = fleet.cloud.remove("lost");
    fleet.now = T0 + HOUR;
    await fleet.minutes(3);
    expect(fleet.inbox).toEqual(["Nightjar: databases are gone"]);
    const { catalog } = fleet.context();
    const audit = await rowsOf<{ detail: string; outcome: string }>(
      "SELECT detail, outcome FROM audit WHERE action = 'discovery' ORDER BY seq DESC LIMIT 1",
    );
    expect(audit[0]!.outcome).toBe("done");
    expect(JSON.parse(audit[0]!.detail)).toMatchObject({ gone: ["lost"], goneCount: 1, listed: 1 });

    fleet.cloud.change("stays");
    fleet.now = MIDNIGHT;
    const started = await fleet.minutes(62);
    expect(started).toEqual(["stays-20261111T000000Z"]);
    expect(await planOf(catalog, "lost")).toBeUndefined();
    expect(await planOf(catalog, "stays")).toBeDefined();
    expect(fleet.inbox).toEqual(["Nightjar: databases are gone"]);

    const { json, bytes } = apiOf(fleet.context({ now: () => Date.now() }));
    const { databases } = await json("/v1/databases");
    expect(databases).toContainEqual(
      expect.objectContaining({ name: "lost", state: "not configured", backups: 1 }),
    );
    expect(await json("/v1/databases/lost/backups")).toMatchObject({ backups: [{ id }] });
    const link = await json(`/v1/backups/${id}/links`, { format: "db" });
    const file = await bytes(link["url"] as string);
    expect(new DataView(file.buffer).getUint32(60)).toBe(version);
    expect(file).toHaveLength(pages.length * pages[0]!.data.length);
    expect(await json("/v1/databases/lost/backups", {}, 409)).toMatchObject({
      code: "DATABASE_NOT_CONFIGURED",
    });

    putBack();
    fleet.cloud.change("lost");
    await list();
    expect(await planOf(catalog, "lost")).toMatchObject({ runAt: 0 });
    expect(await fleet.minutes(62)).toEqual(["lost-20261111T000000Z"]);
    expect((await newest("lost")).manifest.schema.userVersion).toBe(version + 1);
    expect(await rowsOf("SELECT id FROM incidents WHERE rule = 'databases-gone'")).toHaveLength(1);
  });

  it("is read whole where another one has its name, and nothing of the old one stands for it", async () => {
    fleet.cloud.add(["swap", "same"]);
    await fleet.minutes(2);
    const { catalog } = fleet.context();
    const url = `https://${TursoCloudStandIn.hostOf("swap")}`;
    expect(await knownMethod(catalog, "swap", url)).toBeDefined();
    const old = await newest("swap");
    // A backup may have its place in the source's history itself, as those without a log do.
    await env.DB.prepare(
      "UPDATE backups SET manifest = json_set(manifest, '$.snapshot.cursor', (SELECT json(cursor) FROM lineages l WHERE l.database = 'same')) WHERE database = 'same'",
    ).run();
    fleet.cloud.remove("swap");
    fleet.cloud.add(["swap"]);
    fleet.cloud.recreate("same"); // another one with the same content, as of a restore by Turso
    await list();
    expect(await knownMethod(catalog, "swap", url)).toBeUndefined();
    for (const name of ["swap", "same"])
      expect(await openLineage(catalog, name), name).toBeUndefined();
    const [row] = await rowsOf<{ detail: string }>(
      "SELECT detail FROM audit WHERE action = 'discovery' ORDER BY seq DESC LIMIT 1",
    );
    expect(JSON.parse(row!.detail)).toMatchObject({
      ...{ replaced: expect.arrayContaining(["swap", "same"]), added: [], gone: [] },
    });

    fleet.now = MIDNIGHT;
    expect((await fleet.minutes(62)).toSorted()).toEqual([
      "same-20261111T000000Z",
      "swap-20261111T000000Z",
    ]);
    const { manifest } = await newest("swap");
    expect(manifest.schema.userVersion).toBe(fleet.cloud.versionOf("swap"));
    expect(manifest.schema.userVersion).not.toBe(old.manifest.schema.userVersion);
    for (const name of ["swap", "same"]) {
      const lineages = await lineagesOf(catalog, name);
      expect(
        lineages.map(({ why, endedAt }) => [why, endedAt === null]),
        name,
      ).toEqual([
        [FIRST_CAPTURE, false],
        [FIRST_CAPTURE, true],
      ]);
    }
    // Unchanged since then, one request is enough again.
    fleet.now = MIDNIGHT + DAY;
    expect(await fleet.minutes(62)).toEqual([]);
  });
});

describe("what is stored of a database that is protected no longer", () => {
  /** Delete what R2's lifecycle rules delete by now; its clock is the simulated one. */
  async function live(stored: ReadonlyMap<string, number>): Promise<void> {
    const { databases, turso } = fleet.context().config;
    const { rules } = lifecycleRules(databases, turso?.allSettings());
    for (const key of await allKeys())
      for (const { conditions, deleteObjectsTransition } of rules) {
        if (deleteObjectsTransition === undefined || !key.startsWith(conditions.prefix)) continue;
        const age = fleet.now - (stored.get(key) ?? fleet.now);
        if (age >= deleteObjectsTransition.condition.maxAge * 1000) await BUCKET.delete(key);
      }
  }

  /** Make backups at some hours from now on, of a tier each. @returns when each key was stored, ms */
  async function make(name: string, tiers: readonly ("daily" | "weekly" | "monthly")[]) {
    const stored = new Map<string, number>();
    for (const tier of tiers) {
      const run = await backUp(fleet.context(), { ...manualRun(name), tier });
      expect(run).toMatchObject({ state: "done" });
      for (const key of await allKeys()) if (!stored.has(key)) stored.set(key, fleet.now);
      fleet.cloud.change(name === "dropped" ? "by-hand" : name);
      fleet.now += 3 * HOUR;
    }
    return stored;
  }

  /** Have nights pass, R2's rules before each prune. */
  async function nights(count: number, stored: Map<string, number>): Promise<void> {
    for (let night = 0; night < count; night++) {
      fleet.now += DAY;
      await live(stored);
      expect((await prune(fleet.context(), fleet.now, false)).failures).toEqual([]);
      for (const key of await allKeys()) if (!stored.has(key)) stored.set(key, fleet.now);
    }
  }

  async function bytesOf(name: string) {
    const { catalog, bucket } = fleet.context();
    const found = new Map<string, Uint8Array>();
    for (const { id, manifest } of await listBackups(catalog, name, 100)) {
      const object = await bucket.get(manifest.key);
      found.set(
        id,
        object === null ? new Uint8Array() : new Uint8Array(await object.arrayBuffer()),
      );
    }
    return found;
  }

  const TIERS = ["daily", "daily", "weekly", "daily", "monthly", "daily"] as const;
  const RETAIN = { daily: "10d", weekly: "16d", monthly: "20d", log: "3d" };

  const ENDS: readonly [string, string, () => Promise<unknown>][] = [
    [
      "gone",
      "is gone",
      async () => {
        fleet.cloud.remove("gone");
        await list();
      },
    ],
    [
      "left-out",
      "is excluded",
      async () => {
        fleet.turso = { ...fleet.turso, exclude: ["left-*"] };
      },
    ],
    [
      "regrouped",
      "is of another group",
      async () => {
        fleet.turso = { ...fleet.turso, groups: ["another"] };
      },
    ],
    [
      "dropped",
      "was removed from DATABASES",
      async () => {
        fleet.databases = {};
      },
    ],
    [
      "renamed",
      "has a name that DATABASES has for its address no more",
      async () => {
        fleet.databases = { store: { url: `https://${TursoCloudStandIn.hostOf("renamed")}` } };
      },
    ],
  ];

  it.each(ENDS)("of %s, which %s, outlives its age", async (name, _, end) => {
    fleet.turso = { defaults: { retain: RETAIN } };
    fleet.cloud.add(["beside"]);
    if (name === "dropped") {
      fleet.cloud.add(["by-hand"]);
      const token = fleet.cloud.lastingToken("by-hand");
      const url = `https://${TursoCloudStandIn.hostOf("by-hand")}`;
      fleet.databases = { dropped: { url, token: "OWN_TOKEN", retain: RETAIN } };
      fleet.options = {
        secrets: { PLATFORM_TOKEN: "p", OPS_URL: "https://alerts.example/x", OWN_TOKEN: token },
      };
    } else fleet.cloud.add([name]);
    await list();
    const stored = await make(name, TIERS);
    const before = await bytesOf(name);
    expect(before.size).toBe(TIERS.length);
    const { catalog } = fleet.context();
    expect(await openLineage(catalog, name)).toBeDefined();
    await end();
    if (name !== "dropped") expect(await fleet.context().fleet.find(name)).toBeUndefined();

    await nights(1, stored);
    expect(await openLineage(catalog, name)).toBeUndefined();
    expect(await lineagesOf(catalog, name)).not.toEqual([]);
    await nights(4, stored);
    expect(await lineagesOf(catalog, name)).toEqual([]);
    expect(await allKeys(BUCKET, `log/${name}/`)).toEqual([]);
    await nights(35, stored);

    const own = (await allKeys()).filter((key) => !key.startsWith("pinned/"));
    const left = own.map(parseKey).filter((key) => key?.database === name && key.part !== "proof");
    expect(left).toEqual([]);
    expect(await bytesOf(name)).toEqual(before);
    // Its last copies are no orphans, and no policy lets them go.
    const dry = await prune(fleet.context(), fleet.now, true);
    const verdicts = dry.verdicts.filter(({ backup }) => backup.database === name);
    expect(verdicts.map(({ keep }) => keep)).toEqual(TIERS.map(() => true));
    expect(dry.releases.filter(({ database }) => database === name)).toEqual([]);
  });

  it("stays while TURSO has a mistake, and the newest of each tier is copied", async () => {
    fleet.turso = { defaults: { retain: { daily: "4d", weekly: "4d", monthly: "4d" } } };
    fleet.cloud.add(["hidden", "vanished"]);
    await list();
    await make("hidden", TIERS);
    await make("vanished", ["daily"]);
    fleet.cloud.remove("vanished");
    await list();
    const before = await bytesOf("hidden");
    fleet.options = { secrets: { OPS_URL: "https://alerts.example/x" } }; // no platform token
    const context = fleet.context();
    expect(context.config.turso).toBeUndefined();
    await prune(context, fleet.now, false);
    const pinned = await allKeys(BUCKET, "pinned/");
    const newestOf = new Map<string, string>();
    for (const { id, manifest } of await listBackups(context.catalog, "hidden", 100))
      if (!newestOf.has(manifest.tier)) newestOf.set(manifest.tier, id);
    expect(newestOf.size).toBe(3);
    for (const [tier, id] of newestOf)
      expect(
        pinned.filter((key) => key.startsWith(`pinned/${tier}/hidden/`) && key.includes(id)),
        tier,
      ).not.toEqual([]);
    expect(pinned.some((key) => key.startsWith("pinned/daily/vanished/"))).toBe(true);
    await prune(context, fleet.now + 400 * DAY, false);
    expect(await bytesOf("hidden")).toEqual(before);
    expect(await openLineage(context.catalog, "hidden")).toBeDefined();
    // Once it is found again, copies that are not needed go, and nothing else.
    fleet.options = {};
    await prune(fleet.context(), fleet.now + MINUTE, false);
    expect(await bytesOf("hidden")).toEqual(before);
  });
});
