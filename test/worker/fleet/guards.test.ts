import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { discoverIfDue } from "../../../src/jobs/discovery/discover.ts";
import { HOUR } from "../../../src/plan/duration.ts";
import { askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun } from "../../support/context.ts";
import { forgetFleet, FoundFleet, PLATFORM_TOKEN } from "../../support/found-fleet.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { pagesOfSmallShop } from "../../support/small-pages.ts";
import { TursoCloudStandIn } from "../../support/turso-cloud-stand-in.ts";

// What is planned here is due in no other file.
afterAll(forgetFleet);

const ROOT = "test-admin-token-of-24-characters";
const SECRETS = {
  ...{ PLATFORM_TOKEN, OPS_URL: "https://alerts.example/x" },
  SANITIZE_KEY: "a-key-of-more-than-24-characters",
};
const GUARDED = ["vip-1", "vip-gone", "vip-out"];
const OVERRIDES = {
  "vip-*": {
    protected: true,
    sanitize: {
      ...{ key: "SANITIZE_KEY", required: true },
      rules: { customers: { id: "keep", name: "fake: name" }, orders: "drop" },
    },
  },
};

let fleet: FoundFleet;
let reader: string;
let restorer: string;
const ids: Record<string, string> = {};

async function send(token: string, method: string, path: string, body?: object) {
  const answer = await askApp(
    new Request(ORIGIN + path, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
    fleet.context({ now: () => Date.now() }),
  );
  const text = await answer.text();
  const { status } = answer;
  return { status, code: /"code":"([A-Z_]+)"/.exec(text)?.[1], text };
}

const list = async () => {
  fleet.now += HOUR;
  await discoverIfDue(fleet.context(), fleet.now);
};

beforeAll(async () => {
  await forgetFleet();
  fleet = new FoundFleet(await pagesOfSmallShop(), Date.now() - 10 * HOUR);
  fleet.options = { secrets: SECRETS };
  fleet.turso = { overrides: OVERRIDES };
  const token = fleet.cloud.lastingToken("elsewhere");
  fleet.cloud.add([...GUARDED, "plain", "elsewhere"]);
  await list();

  for (const name of [...GUARDED, "plain"]) {
    expect(await backUp(fleet.context(), manualRun(name))).toMatchObject({ state: "done" });
    ids[name] = (await newestBackup(fleet.context().catalog, name))!.id;
  }
  // One that was an entry of DATABASES, which nobody knows any more.
  const url = `https://${TursoCloudStandIn.hostOf("elsewhere")}`;
  fleet.databases = { unknown: { url, token: "OWN_TOKEN" } };
  fleet.options = { secrets: { ...SECRETS, OWN_TOKEN: token } };
  expect(await backUp(fleet.context(), manualRun("unknown"))).toMatchObject({ state: "done" });
  ids["unknown"] = (await newestBackup(fleet.context().catalog, "unknown"))!.id;
  fleet.databases = {};
  fleet.options = { secrets: SECRETS };

  fleet.cloud.remove("vip-gone");
  fleet.turso = { overrides: OVERRIDES, exclude: ["vip-out"] };
  await list();
  const { fleet: now } = fleet.context();
  expect([...(await now.all()).keys()]).toEqual(["elsewhere", "plain", "vip-1"]);
  const tokenOf = async (name: string, scopes: string[]) =>
    JSON.parse((await send(ROOT, "POST", "/v1/tokens", { name, scopes })).text)["token"] as string;
  reader = await tokenOf("reader", ["download", "read"]);
  restorer = await tokenOf("restorer", ["restore", "download:raw"]);
});

const download = (name: string) =>
  send(reader, "POST", `/v1/backups/${ids[name]}/links`, { format: "db" });
const unpin = async (name: string) => {
  await send(ROOT, "POST", `/v1/backups/${ids[name]}/pin`, {});
  return send(ROOT, "DELETE", `/v1/backups/${ids[name]}/pin`);
};

const REFUSED = { status: 403, code: "SANITIZE_REQUIRED" };
const WAITS = { status: 409, code: "APPROVAL_REQUIRED" };

describe("overrides of TURSO that guard", () => {
  it.each([...GUARDED, "unknown"])("hold for %s", async (name) => {
    expect(await download(name)).toMatchObject(REFUSED);
    expect(await unpin(name)).toMatchObject(WAITS);
  });

  it("do not hold for a database that is known and has none", async () => {
    expect(await download("plain")).toMatchObject({ status: 201 });
    expect(await unpin("plain")).toMatchObject({ status: 200 });
  });

  it("hold for all that DATABASES does not name while TURSO has a mistake", async () => {
    fleet.options = { secrets: { ...SECRETS, PLATFORM_TOKEN: "" } };
    try {
      for (const name of [...GUARDED, "plain", "unknown"]) {
        expect(await download(name), name).toMatchObject(REFUSED);
        expect(await unpin(name), name).toMatchObject(WAITS);
      }
    } finally {
      fleet.options = { secrets: SECRETS };
    }
  });

  it("give sanitized values without the scope", async () => {
    const body = { format: "sql", sanitize: true };
    expect(await send(reader, "POST", `/v1/backups/${ids["vip-1"]}/links`, body)).toMatchObject({
      status: 201,
    });
  });
});

describe("a restore into a database that was found", () => {
  const into = (target: object, more = {}) =>
    send(restorer, "POST", `/v1/backups/${ids["plain"]}/restore`, { target, ...more });

  it("is refused by its name, as its tokens read only", async () => {
    const { status, code, text } = await into({ database: "vip-1" }, { overwrite: true });
    expect([status, code]).toEqual([400, "REQUEST_INVALID"]);
    expect(text).toContain("--to <url>");
  });

  it("waits for a second person by its address, also while TURSO has a mistake", async () => {
    // A real server at the address that is listed.
    const { client, config } = await PageDatabase.create(
      "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    );
    fleet.cloud.listAt("vip-1", new URL(config.url).host);
    await list();
    const restoreRows = () =>
      send(restorer, "POST", "/v1/databases/plain/restore-rows", {
        ...{ from: { backup: ids["plain"] }, target: config },
        ...{ table: "customers", where: "id = 1" },
      });
    expect(await restoreRows()).toMatchObject(WAITS);
    fleet.options = { secrets: { ...SECRETS, PLATFORM_TOKEN: "" } };
    try {
      expect(await restoreRows()).toMatchObject(WAITS);
    } finally {
      fleet.options = { secrets: SECRETS };
    }
    expect((await client.execute("SELECT count(*) FROM customers")).rows[0]![0]).toBe(0);
    // What is not protected is written to.
    fleet.cloud.listAt("vip-1", TursoCloudStandIn.hostOf("vip-1"));
    await list();
    expect(await restoreRows()).toMatchObject({ status: 200 });
    expect(await into(config, { overwrite: true })).toMatchObject({ code: "OVERWRITE_REFUSED" });
  });
});
