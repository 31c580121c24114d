import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { expect, it } from "vitest";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import type { Deps } from "../../../src/core/deps.ts";
import { momentAt } from "../../../src/read/moment.ts";
import { apiOf } from "../../support/api.ts";
import { testContext } from "../../support/context.ts";
import { askMoment } from "../../support/log-moments.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { spoiling } from "../../support/spoiled-frames.ts";

/** Shift the commit time in a frame of sqld's log, as another clock would date it. */
function shifted(frame: Uint8Array, ms: number): Uint8Array {
  if (frame[0] !== 0) return frame; // trailers
  const reader = new BinaryReader(frame.subarray(5));
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) writer.tag(1, WireType.LengthDelimited).bytes(reader.bytes());
    else if (field === 2) writer.tag(2, WireType.Varint).int64(Number(reader.int64()) + ms);
    else reader.skip(type);
  }
  const message = writer.finish();
  const whole = new Uint8Array(5 + message.length);
  new DataView(whole.buffer).setUint32(1, message.length);
  whole.set(message, 5);
  return whole;
}

/** Simulate another clock with a proxy: it shifts the server's times in `Date` and in its log. */
function clockOf(ahead: number, withDate: boolean): Deps["fetch"] {
  const { deps } = spoiling("LogEntries", (frame) => [shifted(frame, ahead)]);
  return async (url, init) => {
    const response = await deps.fetch(url, init);
    const headers = new Headers(response.headers);
    const date = headers.get("date");
    expect(date).not.toBeNull(); // sqld sends it
    headers.set("date", new Date(Date.parse(date!) + ahead).toUTCString());
    if (!withDate) headers.delete("date");
    const { status } = response;
    return new Response(response.body, { status, headers });
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const [what, ahead, withDate] of [
  ["is 30 s behind", -30_000, true],
  ["is 30 s ahead", 30_000, true],
  ["is a day behind", -86_400_000, true],
  ["is 30 s behind and not told", -30_000, false],
  ["is 30 s ahead and not told", 30_000, false],
  ["is right", 0, true],
] as const)
  it(`a moment is never given a later state: the server's clock ${what}`, async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 20);
    const name = "clocked";
    const context = testContext({ [name]: { ...database.config, follow: "1m" } });
    Object.assign(context.deps, { fetch: clockOf(ahead, withDate) });
    const method = { protocol: "replica", image: true, why: "a test" } as const;
    await recordMethod(context.catalog, name, database.config.url, method, Date.now());
    await context.followers.follow(name);
    await pause(1500);
    const asked = Date.now();
    await pause(5);
    await database.exec("DELETE FROM items WHERE id > 3");
    const deleted = Date.now();
    await pause(1500);
    await context.followers.pull(name);

    const count = async (at: number) =>
      (
        await askMoment(
          context,
          name,
          await momentAt(context, name, at),
          "SELECT count(*) FROM items",
        )
      )[0];
    expect(await count(asked)).toEqual(["20"]);
    const timeline = await apiOf(context).json(`/v1/databases/${name}/timeline`);
    expect(await count(Date.parse(timeline.window.to))).toEqual(["3"]);

    const [{ at, uncertaintyMs, clockOffsetMs }] = timeline.changes;
    expect(Date.parse(at)).toBeGreaterThanOrEqual(asked);
    expect(Date.parse(at) - uncertaintyMs).toBeLessThanOrEqual(deleted);
    if (withDate) {
      expect(uncertaintyMs).toBeLessThan(2250 + (deleted - asked));
      expect(Math.abs(clockOffsetMs - ahead)).toBeLessThan(2500);
    } else {
      expect(clockOffsetMs).toBeNull();
      expect(uncertaintyMs).toBeGreaterThan(1400);
    }
    const body = { sql: "SELECT count(*) FROM items", at: timeline.window.to };
    const { moment } = await apiOf(context).json(`/v1/databases/${name}/query`, body, 200);
    expect(moment).toMatchObject({ committedAt: at, uncertaintyMs });
    const link = { at: timeline.window.to, format: "db" };
    expect(await apiOf(context).json(`/v1/databases/${name}/links`, link)).toMatchObject({
      moment: { committedAt: at, uncertaintyMs },
    });
  });
