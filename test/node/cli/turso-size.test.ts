import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, it } from "vitest";
import { backupAnswer, startFakeNightjar } from "../../support/fake-nightjar.ts";
import { runCli } from "../../support/run-cli.ts";

let nightjar: Awaited<ReturnType<typeof startFakeNightjar>>;
let bytes = 0;
let asked = 0;

beforeAll(async () => {
  const newest = () => backupAnswer({ raw: { bytes, sha256: "0".repeat(64) } });
  nightjar = await startFakeNightjar({
    "GET /v1/databases/shop": (_, response) =>
      response.end(JSON.stringify({ name: "shop", log: null, newestBackup: newest() })),
    "GET /v1/databases/shop/erasures": { erasures: [] },
    "GET /v1/databases/shop/backups/latest": (_, response) =>
      response.end(JSON.stringify(newest())),
    "POST /v1/organizations/acme/databases": (_, response) => {
      asked++;
      response.writeHead(500).end();
    },
  });
});
afterAll(() => nightjar.stop());

const restore = (size: number, ...args: string[]) => {
  bytes = size;
  const env = { ...nightjar.env, TURSO_API_BASEURL: nightjar.url, TURSO_PLATFORM_TOKEN: "t" };
  return runCli(
    ["restore", "shop", "--to-turso", "shop2", "--org", "acme", ...args],
    tmpdir(),
    env,
  );
};

it("makes no database for a file that Turso does not take, and tells of one that it may not take", async () => {
  const large = await restore(25e9);
  expect(large.code).toBe(3);
  expect(large.err).toContain("25.0 GB, and Turso takes uploads of 20.0 GB at the most");
  expect(asked).toBe(0);
  const doubtful = await restore(3e9, "--dry-run");
  expect(doubtful.code).toBe(0);
  expect(doubtful.err).toContain("names 2.0 GB as the limit");
  expect((await restore(1e9, "--dry-run")).err).toBe("");
});
