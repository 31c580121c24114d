import { expect, it } from "vitest";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { askRestore } from "../../support/restores.ts";

it("a statement that a Worker cannot hold several times is refused, with the way round it", async () => {
  const [source, target] = [await PageDatabase.create(), await PageDatabase.create()];
  const context = testContext({ shop: { ...source.config, capture: "dump" } });
  const { fetch } = context.deps;
  // sqld itself accepts no value of 5,000,000 bytes; another server may.
  const blob = "00".repeat(8.5 * 1024 * 1024);
  const dump = `PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS t(v);\nINSERT INTO t VALUES(X'${blob}');\nCOMMIT;\n`;
  context.deps.fetch = async (url, init) =>
    url.includes("/dump") ? new Response(dump) : fetch(url, init);
  const { backupId } = await backUp(context, manualRun("shop"));
  const { last } = await askRestore(context, `/v1/backups/${backupId}/restore`, {
    target: target.config,
  });
  expect(last).toMatchObject({ error: { message: expect.stringContaining("A statement of") } });
  expect(context.memory.held).toBe(0);
});
