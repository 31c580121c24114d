import { createClient } from "@libsql/client/web";
import { expect, inject, it } from "vitest";
import { systemDeps } from "../../../src/core/deps.ts";
import { type Platform, platformOf } from "../../../src/platform/platform.ts";
import type { StandInOrganization } from "../../support/platform-stand-in.ts";

const api = inject("platform");

/** Give the stand-in an organization of its own, and return its client inside of workerd. */
async function organizationOf(slug: string, more: Partial<StandInOrganization>): Promise<Platform> {
  const organization = { databases: [], token: "platform-token", ...more };
  await fetch(`${api}/control/${slug}`, { method: "PUT", body: JSON.stringify(organization) });
  const deps = { ...systemDeps, sleep: async () => undefined };
  return platformOf({ api, organization: slug, token: "platform-token", deps, patience: 1000 });
}

it("lists 2,500 databases although pages fail, are cut and stall", async () => {
  const names = Array.from({ length: 2500 }, (_, at) => `db-${at}`);
  const platform = await organizationOf("many", {
    databases: names.map((name) => ({ name })),
    faults: [
      { match: "cursor=after-300$", status: 500, times: 2, body: "oops" },
      { match: "cursor=after-700$", times: 1, cutAfter: 1000 },
      { match: "cursor=after-1100$", times: 1, delay: 30_000 },
    ],
  });
  const found: string[] = [];
  for await (const page of platform.listDatabases()) found.push(...page.map(({ name }) => name));
  expect(found).toEqual(names);
});

it("follows no redirect, and reads no answer without end", async () => {
  const list = async (platform: Platform) => {
    for await (const _ of platform.listDatabases());
  };
  const headers = { location: `${api}/elsewhere` };
  const elsewhere = await organizationOf("elsewhere", {
    faults: [{ match: "", times: 1, status: 307, headers }],
  });
  await expect(list(elsewhere)).rejects.toMatchObject({ code: "PLATFORM_INVALID", answered: 307 });
  const large = await organizationOf("large", { faults: [{ match: "", times: 1, padding: 50 }] });
  await expect(list(large)).rejects.toMatchObject({ code: "PLATFORM_INVALID" });
});

it("makes tokens by which a real server is read, and is not written to", async () => {
  const { host } = new URL(inject("guarded").url);
  const platform = await organizationOf("real", { databases: [{ name: "shop", hostname: host }] });
  for (const { jwt } of [
    await platform.mintDatabaseToken("shop"),
    await platform.mintGroupToken("default"),
  ]) {
    const client = createClient({ url: `http://${host}`, authToken: jwt });
    expect((await client.execute("select 1 as one")).rows[0]).toMatchObject({ one: 1 });
    await expect(client.execute("create table x (y)")).rejects.toThrow("403");
  }
  const without = createClient({ url: `http://${host}` });
  await expect(without.execute("select 1")).rejects.toThrow("401");
});
