import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { lineagesOf, openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import { momentAt, windowOf } from "../../../src/read/moment.ts";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { listKeys } from "../../../src/store/list.ts";
import { noteKey } from "../../../src/store/segment-keys.ts";
import { testContext } from "../../support/context.ts";
import { intercepted } from "../../support/failing.ts";
import { askMoment } from "../../support/log-moments.ts";
import { PageDatabase } from "../../support/page-database.ts";

const { BUCKET, DB } = env;
const ROWS = "SELECT rowid || ' ' || quote(id) || ' ' || quote(pad) FROM items ORDER BY rowid";

/** A log whose follower has a clock that tests move. */
class Clocked {
  now = Math.ceil(Date.now() / DAY) * DAY; // the start of a day, so that hours and days are known
  /** Decides which calls to the bucket fail, if any. */
  refuse: (method: string) => boolean = () => false;
  readonly database: PageDatabase;
  readonly context: ReturnType<typeof testContext>;
  readonly name: string;
  readonly history: { at: number; rows: string[] }[] = [];

  constructor(name: string, database: PageDatabase) {
    this.name = name;
    this.database = database;
    const store = intercepted({ BUCKET, DB }, async (owner, method, call) => {
      if (owner === "bucket" && this.refuse(method)) throw new Error("injected");
      return call();
    });
    const config = { ...database.config, follow: "1m", retain: { log: "3d" } };
    this.context = testContext({ [name]: config }, { ...store, now: () => this.now });
  }

  async pull(): Promise<void> {
    await this.context.followers.follow(this.name);
    const { to } = await windowOf(this.context, this.name);
    expect(to).toBeGreaterThanOrEqual(this.now);
    this.history.push({ at: to, rows: await this.database.rows("items") });
  }

  /** Make a change and pull it, this much later than the previous ones. */
  async change(after: number, sql: string): Promise<void> {
    this.now += after;
    await this.database.exec(sql);
    await this.pull();
  }

  async segments() {
    const { id } = (await openLineage(this.context.catalog, this.name))!;
    return segmentsOf(this.context.catalog, id);
  }

  /** Expect that every moment that was pulled is unchanged, and that nothing is left over. */
  async expectSound(): Promise<void> {
    const { catalog } = this.context;
    for (const { at, rows } of this.history) {
      const moment = await momentAt(this.context, this.name, at);
      const [found] = await askMoment(this.context, this.name, moment, ROWS);
      expect(found).toEqual(rows);
    }
    expect(await uploadsOf(catalog, this.name)).toEqual([]);
    const ids = (await lineagesOf(catalog, this.name)).map(({ id }) => id);
    const rows = (await Promise.all(ids.map((id) => segmentsOf(catalog, id)))).flat();
    const keys = await listKeys(BUCKET, `log/${this.name}/`);
    const isNote = (key: string) => key.includes("/notes/");
    expect(keys.filter((key) => !isNote(key))).toEqual(rows.map(({ key }) => key).toSorted());
    const noted = rows.map(({ key }) => noteKey(key));
    for (const key of keys.filter(isNote)) expect(noted).toContain(key);
  }
}

async function begun(name: string): Promise<Clocked> {
  const database = await PageDatabase.create();
  await database.fill("items", 600);
  const log = new Clocked(name, database);
  await log.pull();
  return log;
}

describe("a log that is compacted", () => {
  it("merges hours and days and renews its base, and every moment stays what it was", async () => {
    const log = await begun("days");
    for (let day = 0; day < 5; day++) {
      for (let step = 0; step < 4; step++)
        await log.change(
          step % 2 === 0 ? 3 * HOUR : 10 * MINUTE,
          `UPDATE items SET pad = '${day} ${step}' WHERE id = ${day * 100 + step}`,
        );
      log.now = Math.ceil((log.now + 1) / DAY) * DAY;
    }
    await log.change(HOUR, "DELETE FROM items WHERE id % 3 = 0"); // more than half of the pages
    await log.change(HOUR, "INSERT INTO items VALUES (9999, 'last')");
    const levels = (await log.segments()).map(({ level }) => level);
    expect(new Set(levels)).toEqual(new Set([0, 1, 2, 9]));
    expect(levels.filter((level) => level === 9).length).toBeGreaterThan(1);
    const { chain } = await momentAt(log.context, "days", log.now);
    expect(chain.length).toBeLessThan(4); // of 22 that were pulled
    await log.expectSound();
  });

  it("begins anew where nothing happens, before its base is taken, and loses no moment", async () => {
    const log = await begun("idle");
    await log.change(HOUR, "UPDATE items SET pad = 'once' WHERE id = 1");
    for (let day = 0; day < 9; day++) {
      log.now += DAY;
      await log.pull();
    }
    const lineages = await lineagesOf(log.context.catalog, "idle");
    expect(lineages.map(({ why }) => why)).toContain("its base grew old");
    const newest = (await log.segments()).filter(({ minTxid }) => minTxid === 1);
    expect(Math.max(...newest.map(({ createdAt }) => createdAt))).toBeGreaterThan(
      log.now - 4 * DAY,
    );
    await log.change(HOUR, "UPDATE items SET pad = 'again' WHERE id = 1");
    await log.expectSound();
  });

  it("is pulled and read on while it cannot be, and is compacted as soon as it can", async () => {
    const log = await begun("failing");
    await log.change(MINUTE, "UPDATE items SET pad = 'a' WHERE id = 1");
    for (const failing of ["createMultipartUpload", "uploadPart", "complete", "get"]) {
      await log.change(MINUTE, `UPDATE items SET pad = '${failing}' WHERE id = 1`);
      log.refuse = (method) => method === failing;
      await log.change(HOUR, `UPDATE items SET pad = '${failing}' WHERE id = 2`);
      log.refuse = () => false;
      const merged = async () => (await log.segments()).filter(({ level }) => level > 0).length;
      const before = await merged();
      log.now += MINUTE;
      await log.pull();
      expect(await merged(), failing).toBeGreaterThan(before);
      await log.expectSound();
    }
  });

  it("is not compacted out of a segment that is damaged, which alone is lost", async () => {
    const log = await begun("damaged");
    await log.change(MINUTE, "UPDATE items SET pad = 'a' WHERE id = 1");
    await log.change(MINUTE, "UPDATE items SET pad = 'b' WHERE id = 1");
    const { key } = (await log.segments()).at(-1)!;
    const bytes = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
    bytes[bytes.length >> 1]! ^= 1;
    await BUCKET.put(key, bytes);
    await log.change(HOUR, "UPDATE items SET pad = 'c' WHERE id = 1");
    expect((await log.segments()).map(({ level }) => level)).toEqual([9, 0, 0, 0]);
    const [first, second, third] = log.history;
    for (const { at, rows } of [first!, second!]) {
      const moment = await momentAt(log.context, "damaged", at);
      expect((await askMoment(log.context, "damaged", moment, ROWS))[0]).toEqual(rows);
    }
    const moment = await momentAt(log.context, "damaged", third!.at);
    await expect(askMoment(log.context, "damaged", moment, ROWS)).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
    });
  });
});
