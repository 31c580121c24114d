import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { log } from "../../../src/core/log.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

let lines: string[];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, "debug").mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => void (log.debugs = false));

it("a debug log tells how requests were answered, on both sides, and holds no secret", async () => {
  const database = await PageDatabase.create();
  const context = testContext({ shop: database.config });
  const api = apiOf(context);
  await backUp(context, manualRun("shop"));
  expect(lines).toEqual([]); // only where it is asked for
  log.debugs = true;
  await backUp(context, manualRun("shop"));
  const { backups } = await api.json("/v1/databases/shop/backups");
  const link = await api.json(`/v1/backups/${backups[0].id}/links`, { format: "db" });
  await api.bytes(link["url"]);
  const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const asked = events.filter(({ event }) => event === "server-answered");
  expect(asked.length).toBeGreaterThan(0);
  for (const { status } of asked) expect(status).toBe(200);
  expect(events).toContainEqual(
    expect.objectContaining({
      ...{ level: "debug", event: "request-answered", method: "GET", status: 200 },
      path: "/v1/databases/shop/backups",
    }),
  );
  expect(events).toContainEqual(expect.objectContaining({ path: "/d/…", status: 200 }));
  expect(lines.join("\n")).not.toContain(new URL(link["url"]).pathname.split("/")[2]);
});
