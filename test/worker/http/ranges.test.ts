import { Buffer } from "node:buffer";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { windowOf } from "../../../src/read/moment.ts";
import { apiOf, askApp } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

/** Ranges of what a link gives, against the whole of it. */
let context: ReturnType<typeof testContext>;
let links: Record<string, string>;

beforeAll(async () => {
  const database = await PageDatabase.create();
  await database.fill("items", 30_000);
  context = testContext({ shop: database.config, erased: database.config });
  await backUp(context, manualRun("shop"));
  await database.exec("UPDATE items SET pad = 'new' WHERE id % 50 = 0");
  await context.followers.pull("shop");
  const { id } = (await newestBackup(context.catalog, "shop"))!;
  const at = new Date((await windowOf(context, "shop")).to).toISOString();
  const api = apiOf(context);
  const link = async (path: string, body: object) => (await api.json(path, body))["url"] as string;
  links = {
    "a snapshot's file": await link(`/v1/backups/${id}/links`, { format: "db" }),
    "a moment's file": await link("/v1/databases/shop/links", { at, format: "db" }),
    "stored bytes": await link(`/v1/backups/${id}/links`, { format: "db.zst" }),
    SQL: await link(`/v1/backups/${id}/links`, { format: "sql" }),
  };
});

const get = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  Promise.resolve(askApp(new Request(url, { method, headers }), context));

const bytesOf = async (answer: Response) => Buffer.from(await answer.arrayBuffer());

describe.each(["a snapshot's file", "a moment's file", "stored bytes"])("%s", (what) => {
  it("is given in any range as it is in the whole", { timeout: 300_000 }, async () => {
    const url = links[what]!;
    const whole = await bytesOf(await get(url));
    expect(whole.length).toBeGreaterThan(what === "stored bytes" ? 100_000 : 3 * 1024 * 1024);
    const place = fc.oneof(
      fc.nat({ max: whole.length - 1 }),
      // Around the ends of pages, frames and pieces.
      fc
        .tuple(
          fc.constantFrom(4096, 65_536, 262_144, 2_097_152),
          fc.nat({ max: 12 }),
          fc.integer({ min: -1, max: 1 }),
        )
        .map(([unit, count, off]) => Math.min(Math.max(0, unit * count + off), whole.length - 1)),
    );
    await fc.assert(
      fc.asyncProperty(place, place, async (one, other) => {
        const [first, last] = one < other ? [one, other] : [other, one];
        const answer = await get(url, { range: `bytes=${first}-${last}` });
        expect(answer.status).toBe(206);
        expect(answer.headers.get("content-range")).toBe(`bytes ${first}-${last}/${whole.length}`);
        const part = await bytesOf(answer);
        expect(answer.headers.get("content-length")).toBe(String(part.length));
        expect(Buffer.compare(part, whole.subarray(first, last + 1))).toBe(0);
      }),
      { numRuns: Number(process.env["TRIALS"] ?? 40) },
    );
    const end = await get(url, { range: "bytes=-100" });
    expect(Buffer.compare(await bytesOf(end), whole.subarray(-100))).toBe(0);
    const rest = await get(url, { range: `bytes=${whole.length - 5}-` });
    expect(Buffer.compare(await bytesOf(rest), whole.subarray(-5))).toBe(0);
  });

  it("says so, tells its length, and gives the whole to who has other bytes", async () => {
    const url = links[what]!;
    const head = await get(url, {}, "HEAD");
    const tag = head.headers.get("etag")!;
    const length = Number(head.headers.get("content-length"));
    expect([head.status, head.headers.get("accept-ranges")]).toEqual([200, "bytes"]);
    const whole = await get(url);
    expect(whole.headers.get("accept-ranges")).toBe("bytes");
    expect(whole.headers.get("etag")).toBe(tag);
    expect((await bytesOf(whole)).length).toBe(length);
    const same = await get(url, { range: "bytes=0-9", "if-range": tag });
    expect([same.status, (await bytesOf(same)).length]).toEqual([206, 10]);
    const other = await get(url, { range: "bytes=0-9", "if-range": '"other"' });
    expect([other.status, (await bytesOf(other)).length]).toEqual([200, length]);
    const beyond = await get(url, { range: `bytes=${length}-` });
    expect([beyond.status, beyond.headers.get("content-range")]).toEqual([
      416,
      `bytes */${length}`,
    ]);
    const revoked = await get(url.replace(/\.[\w-]{43}\//, `.${"A".repeat(43)}/`), {
      range: "bytes=0-9",
    });
    expect(revoked.status).toBe(403);
  });
});

it("what is made on the way out has no ranges, and says so", async () => {
  const answer = await get(links["SQL"]!, { range: "bytes=0-9" });
  expect([answer.status, answer.headers.get("accept-ranges")]).toEqual([200, "none"]);
  expect((await bytesOf(answer)).length).toBeGreaterThan(1000);
});

it("no range of a file is given that rows were erased from", async () => {
  await backUp(context, manualRun("erased"));
  const { id } = (await newestBackup(context.catalog, "erased"))!;
  const api = apiOf(context);
  const { url } = await api.json(`/v1/backups/${id}/links`, { format: "db" });
  expect((await get(url as string, { range: "bytes=0-99" })).status).toBe(206);
  await api.json("/v1/databases/erased/erasures", { table: "items", column: "id", key: 7 });
  for (const headers of [{}, { range: "bytes=0-99" }]) {
    const answer = await get(url as string, headers as Record<string, string>);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      422,
      "ERASURE_APPLIES",
    ]);
  }
});
