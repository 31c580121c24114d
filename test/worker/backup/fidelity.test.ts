import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { createClient } from "@libsql/client/http";
import { expect, inject, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { describeImage, pagesOf } from "../../support/describe-image.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";

const { BUCKET } = env;

// Through .sql: test/worker/sqlite/sqlite-write.test.ts and test/node/sqlite/sqlite-write.test.ts.
it("brings back everything that is hard to carry over, page by page, out of the bucket", async () => {
  const client = createClient({ url: inject("fidelity") });
  const source = await databaseBytes(client);
  const context = testContext({ odd: { url: inject("fidelity") } });
  expect(await backUp(context, manualRun("odd"))).toMatchObject({ state: "done" });
  const first = (await newestBackup(context.catalog, "odd"))!.manifest;
  expect(await backUp(context, manualRun("odd"))).toMatchObject({ state: "done" });
  const second = (await newestBackup(context.catalog, "odd"))!.manifest;
  expect(second.snapshot?.log?.txid).toBe(1); // made from the log, whose base is the first backup

  const api = apiOf(context);
  for (const { id } of [first, second]) {
    const { url } = await api.json(`/v1/backups/${id}/links`, { format: "db" });
    const file = Buffer.from(await api.bytes(url));
    // In the rollback modes it is one file; nothing else differs from the server's own.
    expect([file[18], file[19]]).toEqual([1, 1]);
    file[18] = source[18]!;
    file[19] = source[19]!;
    expect(Buffer.compare(file, source)).toBe(0);
    const [copy, original] = [await openImage(pagesOf(file)), await openImage(pagesOf(source))];
    expect(await describeImage(copy)).toEqual(await describeImage(original));
    copy.close();
    original.close();
  }
  expect(second.raw).toEqual(first.raw);
  expect(second.schema).toMatchObject({ userVersion: 41, hash: first.schema.hash });

  const image = await openImage(pagesOf(source));
  for (const { name, rows } of second.tables) {
    if (rows === null) continue;
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const [count] = await image.rows(`SELECT count(*) FROM ${quoted}`, (row) => row.text(0));
    expect(rows, name).toBe(Number(count));
  }
  image.close();
  expect(second.tables.length).toBeGreaterThan(30);
  expect(await BUCKET.head(second.key)).not.toBeNull();
});
