import { expect, it, vi } from "vitest";
import { backUp, manualRun, testContext } from "../support/context.ts";
import { PageDatabase } from "../support/page-database.ts";
import { askRestore } from "../support/restores.ts";

it("a statement that a Worker cannot hold several times is refused, with the way round it", async () => {
  vi.spyOn(console, "info").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
  const source = await PageDatabase.create(`
    CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(8.5 * 1024 * 1024));`);
  const target = await PageDatabase.create();
  const context = testContext({ shop: { ...source.config, capture: "dump" } });
  const { backupId } = await backUp(context, manualRun("shop"));
  const { last } = await askRestore(context, `/v1/backups/${backupId}/restore`, {
    target: target.config,
  });
  expect(last).toMatchObject({ error: { message: expect.stringContaining("A statement of") } });
  expect(context.memory.held).toBe(0);
});
