import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bodyOf } from "../../../src/cli/client.ts";
import { startPlatformStandIn } from "../../support/platform-stand-in.ts";
import { Product, TOKEN } from "../../support/product.ts";

/** An organization of Turso, as its owner sees what is protected of it. */
let product: Product;
let platform: Awaited<ReturnType<typeof startPlatformStandIn>>;
const PLATFORM_TOKEN = "platform-token";

beforeAll(async () => {
  product = await Product.create();
  platform = await startPlatformStandIn();
  product.stopAtEnd(() => platform.stop());
  const server = await product.sqld("server");
  const hostname = new URL(server.url).host;
  platform.organizations.set("acme", {
    token: PLATFORM_TOKEN,
    databases: [
      { name: "tenant-1", hostname, allowedIps: ["192.0.2.1"] },
      { name: "tenant-2", hostname: "127.0.0.1:9", deleteProtected: true },
      { name: "internal", hostname: "127.0.0.1:9" },
      { name: "tenant-test", hostname: "127.0.0.1:9" },
    ],
  });
  const turso = {
    ...{ organization: "acme", token: "PLATFORM", api: platform.url },
    ...{ include: ["tenant-*"], exclude: ["*-test"] },
  };
  await product.start(
    { own: { url: server.url.replace("127.0.0.1", "localhost") } },
    { TURSO: JSON.stringify(turso), PLATFORM: PLATFORM_TOKEN },
  );
});
afterAll(() => product.stop());

const read = async (path: string, method = "GET") => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(product.worker.url + path, { method, headers });
  return { status: answer.status, body: (await answer.json()) as Record<string, any> };
};

describe("an organization", () => {
  it("is found when its list is read, and told of by name", async () => {
    const before = await product.nightjar("coverage");
    expect(before.out).toContain("0 of acme in Turso (its list was never read)");
    const { code, out, err } = await product.nightjar("coverage", "--refresh");
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringContaining("Turso lists 4 databases: 4 new, 0 replaced, 0 gone."),
    });
    expect(out).toContain("1 in DATABASES; 4 of acme in Turso (read 20");
    expect(out).toContain("2 are not protected.");
    const names = [...out.matchAll(/^([\w-]+)(?: \(default\))?: (.+)$/gm)];
    expect(names.map(([, name, state]) => `${name} ${state}`)).toEqual([
      "internal not protected",
      "own none",
      "tenant-1 none",
      "tenant-2 none",
      "tenant-test not protected",
    ]);
    expect((await product.nightjar("coverage", "--check")).code).toBe(1);
    const listed = await product.nightjar("databases");
    expect(listed.out).toMatch(/^own +DATABASES +none/m);
    expect(listed.out).toMatch(/^tenant-1 +default +none/m);
    expect(listed.out).not.toContain("internal");
  });

  it("has an act in the audit for each reading of its list by hand", async () => {
    const { body } = await read("/v1/discovery", "POST");
    expect(body).toEqual({
      listed: 4,
      ...Object.fromEntries(
        ["added", "replaced", "gone"].map((one) => [one, { count: 0, names: [] }]),
      ),
    });
    const rows = (await read("/v1/audit?action=discovery")).body["rows"];
    expect(rows[0]).toMatchObject({
      ...{ actorName: "ADMIN_TOKEN", outcome: "done", detail: { listed: 4, added: 0 } },
    });
  });

  it("lets a doctor see who may connect, and what may be deleted", async () => {
    const param = { db: "tenant-1" };
    const source = await bodyOf(product.client.v1.databases[":db"].source.$get({ param }));
    expect(source.error).toBeNull();
    expect(source.turso).toEqual({
      ...{ allowedIps: ["192.0.2.1"], allowedVpcs: null, deleteProtected: false, error: null },
    });
    const own = product.client.v1.databases[":db"].source.$get({ param: { db: "own" } });
    expect((await bodyOf(own)).turso).toBeNull();
    const { out } = await product.nightjar("doctor");
    expect(out).toMatch(/^warn +coverage: internal is not protected, of 4 that Turso lists\.$/m);
    expect(out).toMatch(/^warn +tenant-1: Only these addresses may connect: 192\.0\.2\.1\. /m);
    expect(out).toMatch(/^warn +delete protection: .* one command deletes tenant-1\.$/m);
    expect(out).not.toContain("token expires");
    expect(out).toMatch(/^ok +turso: The list of acme was read \d+ s ago\.$/m);
  });

  it("is told of when its list cannot be read", async () => {
    const organization = platform.organizations.get("acme")!;
    platform.organizations.set("acme", { ...organization, token: "another" });
    expect(await read("/v1/discovery", "POST")).toMatchObject({
      ...{ status: 502, body: { code: "PLATFORM_UNAUTHORIZED" } },
    });
    const { body } = await read("/v1/coverage");
    expect(body).toMatchObject({ error: { code: "PLATFORM_UNAUTHORIZED" }, counts: { found: 4 } });
    expect(JSON.stringify(body)).not.toContain(PLATFORM_TOKEN);
    const { out, code } = await product.nightjar("coverage");
    expect({ code, out }).toMatchObject({
      code: 0,
      out: expect.stringContaining("could not be read"),
    });
    expect((await product.nightjar("doctor")).out).toMatch(/^BAD +turso: The list of acme is not/m);
    // What was asked of Turso about one database is no reason not to ask its server.
    const source = (await read("/v1/databases/tenant-2/source")).body;
    expect(source["turso"].error.code).toBe("PLATFORM_UNAUTHORIZED");
    platform.organizations.set("acme", organization);
  });

  it("says what is gone, and that all the rest is as it was", async () => {
    const organization = platform.organizations.get("acme")!;
    const databases = organization.databases.filter(({ name }) => name !== "tenant-2");
    platform.organizations.set("acme", { ...organization, databases });
    const { err, out } = await product.nightjar("coverage", "--refresh", "--all");
    expect(err).toContain("Turso lists 3 databases: 0 new, 0 replaced, 1 gone.");
    expect(out).toMatch(/^tenant-2 \(default\): gone$/m);
    expect((await product.nightjar("coverage")).out).not.toContain("tenant-2");
  });
});
