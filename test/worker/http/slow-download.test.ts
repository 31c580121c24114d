import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { beforeAll, expect, it } from "vitest";
import { momentAt, pagesOf, windowOf } from "../../../src/read/moment.ts";
import { apiOf } from "../../support/api.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const { BUCKET } = env;

let context: ReturnType<typeof testContext>;

beforeAll(async () => {
  const database = await PageDatabase.create();
  await database.fill("items", 6000);
  context = testContext({ shop: database.config });
  await backUp(context, manualRun("shop"));
  await database.exec("UPDATE items SET pad = 'new' WHERE id % 50 = 0");
  await context.followers.pull("shop");
});

it.each(["db", "db.zst", "sql"])("a slow reader gets the same bytes: %s", async (format) => {
  const api = apiOf(context);
  const at = new Date((await windowOf(context, "shop")).to).toISOString();
  const { url } = await api.json("/v1/databases/shop/links", { at, format });
  const quick = await api.bytes(url);
  const slow = await gather(dawdling((await api.call(url)).body!));
  expect(Buffer.compare(slow, quick)).toBe(0);
  if (format !== "db") return;
  const moment = await momentAt(context, "shop", Date.parse(at));
  let wrong = 0;
  for await (const pages of pagesOf(BUCKET, moment))
    for (const { pgno, data } of pages) {
      const sent = Buffer.from(slow.subarray((pgno - 1) * 4096, pgno * 4096));
      if (pgno > 1 && Buffer.compare(sent, data) !== 0) wrong++;
    }
  expect(wrong).toBe(0);
});

async function* dawdling(body: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  let count = 0;
  for await (const chunk of body) {
    if (++count % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    yield chunk;
  }
}
