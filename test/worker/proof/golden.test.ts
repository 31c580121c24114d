import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { beforeAll, expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { prove } from "../../../src/jobs/proof/prove.ts";
import { rebuild } from "../../../src/jobs/recovery/rebuild.ts";
import { apiOf } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";

/**
 * A bucket as version 1 of every format left it. Today's code reads it, and every later version must: these
 * files are never made again.
 */
const { BUCKET } = env;
const URL = "http://127.0.0.1:9";
const context = testContext({ golden: { url: URL }, "golden-dump": { url: URL } });
const api = apiOf(context);

const THINGS = "SELECT id, name, price, hex(data), typeof(data) FROM things ORDER BY id";

beforeAll(async () => {
  for (const [key, { base64, customMetadata }] of Object.entries(inject("golden")))
    await BUCKET.put(key, Buffer.from(base64, "base64"), { customMetadata });
  // Objects of version 1 were not signed.
  for (let after: string | null | undefined; after !== null;) {
    const { left, next, entered, lineages } = await rebuild(context, after);
    expect(left.map(({ error }) => error.code)).toEqual(left.map(() => "OBJECT_UNSIGNED"));
    expect({ entered, lineages }).toEqual({ entered: 0, lineages: 0 });
    after = next;
  }
  for (let after: string | null | undefined; after !== null;) {
    const { left, next } = await rebuild(context, after, true);
    expect(left).toEqual([]);
    after = next;
  }
});

it.each(["golden", "golden-dump"])("the backup of %s restores to what it was", async (name) => {
  const { id, manifest } = (await newestBackup(context.catalog, name))!;
  expect(manifest).toMatchObject({ format: 1, tier: "milestone", rows: 5 });
  expect((await prove(context, id, "verify")).outcome).toBe("verified");
  const drill = await prove(context, id, "drill");
  expect(drill.outcome).toBe("passed");
  const { proofs } = await api.json(`/v1/backups/${id}/proofs`);
  const [, first] = proofs;
  expect(first).toMatchObject({ format: 1, act: "drill", outcome: "passed" });
  expect(drill.tables).toEqual(first.tables);
  const { url } = await api.json(`/v1/backups/${id}/links`, { format: "sql" });
  expect(Buffer.from(await api.bytes(url)).toString()).toContain("'größe'");
});

it("the page log gives both of its moments", async () => {
  const { changes } = await api.json("/v1/databases/golden/timeline");
  expect(changes.map(({ txid }: { txid: number }) => txid)).toEqual([2, 1]);
  const at = async (moment: string) =>
    (await api.json("/v1/databases/golden/query", { sql: THINGS, at: moment }, 200))["rows"];
  // SQLite itself stores -0.0 in a REAL column as 0.
  const rest = [
    [2, "größe", 0, "", "null"],
    [7, "", 1e300, "", "blob"],
  ];
  expect(await at(changes[1].at)).toEqual([[1, "lamp", 12.5, "00FF", "blob"], ...rest]);
  expect(await at(changes[0].at)).toEqual([[1, "lamp 2", 12.5, "00FF", "blob"], ...rest]);
});
