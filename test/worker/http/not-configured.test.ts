import { beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { prune } from "../../../src/jobs/retention/prune.ts";
import { DAY } from "../../../src/plan/duration.ts";
import { nearest } from "../../../src/plan/nearest.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

let api: ReturnType<typeof apiOf>;
let context: ReturnType<typeof testContext>;
let id: string;
let database: PageDatabase;

/** A database `shop` that is backed up with its log, and then configured as `store`. */
beforeAll(async () => {
  database = await PageDatabase.create("CREATE TABLE t (v); INSERT INTO t VALUES ('old')");
  const before = testContext({ shop: database.config });
  for (let count = 0; count < 2; count++)
    expect(await backUp(before, manualRun("shop"))).toMatchObject({ state: "done" });
  await before.followers.pull("shop");
  id = (await newestBackup(before.catalog, "shop"))!.id;
  context = testContext({ store: database.config });
  api = apiOf(context);
}, 120_000);

describe("a database that was renamed or removed", () => {
  it("is listed with what is stored of it", async () => {
    const { databases } = await api.json("/v1/databases");
    expect(databases).toMatchObject([
      { name: "shop", state: "not configured", backups: 2, newestBackup: { id }, url: null },
      { name: "store", state: "none", backups: 0, newestBackup: null },
    ]);
    expect(databases[0]).toMatchObject({ origin: null, group: null });
    expect(databases[0]).toMatchObject({ nextScheduledAt: null, badgeUrl: null, follow: null });
    expect(await api.json("/v1/databases/shop")).toMatchObject({
      state: "not configured",
      backups: 2,
      newestDrilled: { id },
    });
    const page = await api.json("/v1/databases/shop/backups");
    expect(page).toMatchObject({ configured: false, backups: [{ id }, {}] });
    expect(await api.json("/v1/databases/store/backups")).toMatchObject({ configured: true });
  });

  it("gives every backup and every moment as before", async () => {
    const backups = "/v1/databases/shop/backups";
    expect(await api.json(`${backups}/latest`)).toMatchObject({ id, database: "shop" });
    expect(await api.json(`${backups}/latest-drilled`)).toMatchObject({ id });
    expect(await api.json(`${backups}/${id}`)).toMatchObject({ id });
    const link = await api.json(`/v1/backups/${id}/links`, { format: "sql" });
    expect(new TextDecoder().decode(await api.bytes(link["url"]))).toContain("'old'");
    const sql = "SELECT v FROM t";
    expect(await api.json(`/v1/backups/${id}/query`, { sql }, 200)).toMatchObject({
      rows: [["old"]],
    });
    const { window } = await api.json("/v1/databases/shop/timeline");
    const moment = { at: window.to, format: "sql" };
    const past = await api.json("/v1/databases/shop/links", moment);
    expect(new TextDecoder().decode(await api.bytes(past["url"]))).toContain("'old'");
    expect(await api.json("/v1/databases/shop/query", { sql }, 200)).toMatchObject({
      rows: [["old"]],
    });
    for (const act of ["verify", "drill"])
      expect(await api.json(`/v1/backups/${id}/${act}`, {}, 200)).toMatchObject({ problem: null });
    expect(await api.json(`/v1/backups/${id}/pin`, {}, 200)).toMatchObject({ pin: { by: "user" } });
    expect((await api.call(`/v1/backups/${id}/pin`, undefined, "DELETE")).status).toBe(200);
    expect(await api.json("/v1/databases/shop/erasures")).toEqual({ erasures: [] });
  });

  it("is restored into a server, from a backup and from a moment", async () => {
    const { window } = await api.json("/v1/databases/shop/timeline");
    for (const [path, more] of [
      [`/v1/backups/${id}/restore`, {}],
      ["/v1/databases/shop/restore", { at: window.to }],
    ] as const) {
      const { config } = await PageDatabase.create("");
      const { url, namespace } = config as { url: string; namespace?: string };
      const target = { url, ...(namespace === undefined ? {} : { namespace }) };
      const answer = await api.call(path, { target, verify: true, ...more });
      const lines = (await answer.text()).trim().split("\n");
      expect(JSON.parse(lines.at(-1)!)).toMatchObject({ done: { subject: { database: "shop" } } });
    }
  });

  it("is not asked for what only its server has", async () => {
    for (const path of ["/v1/databases/shop/backups", "/v1/databases/shop/log"])
      expect(await api.json(path, {}, 409)).toMatchObject({
        code: "DATABASE_NOT_CONFIGURED",
        detail: expect.stringContaining("shop is not configured"),
      });
    expect(await (await api.call("/badge/shop.svg")).text()).toContain("backup: unknown");
    expect((await api.call("/health/shop")).status).toBe(404);
  });

  it("loses nothing to the retention policy, at any age", async () => {
    const { verdicts } = await prune(context, Date.now() + 4000 * DAY, false);
    const shop = verdicts.filter(({ backup }) => backup.database === "shop");
    expect(shop.map(({ keep }) => keep)).toEqual([true, true]);
    expect(shop[0]!.reason).toContain("not configured");
    expect((await api.json("/v1/databases/shop"))["backups"]).toBe(2);
    expect((await api.json(`/v1/backups/${id}/verify`, {}, 200))["outcome"]).toBe("verified");
    await api.json("/v1/databases/shop/timeline");
  });

  it("is told from a name that was never one", async () => {
    for (const [name, meant] of [
      ["shpo", "shop"],
      ["stores", "store"],
      ["shop-staging", "shop"],
    ])
      for (const path of ["", "/backups", "/backups/latest", "/timeline", "/erasures"]) {
        const refused = await api.json(`/v1/databases/${name}${path}`, undefined, 404);
        expect(refused).toMatchObject({ code: "DATABASE_NOT_FOUND" });
        expect(refused["detail"]).toContain(`Did you mean ${meant}?`);
      }
    const refused = await api.json("/v1/databases/customers", undefined, 404);
    expect(refused["detail"]).not.toContain("Did you mean");
  });
});

describe("the name that was meant", () => {
  it.each([
    ["SHOP", "shop"],
    ["shp", "shop"],
    ["sho", "shop"],
    ["shopp", "shop"],
    ["hsop", "shop"],
    ["shop_prod", "shop"],
    ["blo", "blog"],
    ["x", undefined],
    ["customers", undefined],
    ["", undefined],
    ["ship-it-now", undefined],
    ["s".repeat(10_000), undefined],
  ])("for %s is %s", (wanted, meant) => {
    expect(nearest(wanted, ["blog", "shop", "inventory"])).toBe(meant);
  });
});
