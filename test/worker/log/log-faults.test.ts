import { createHash } from "node:crypto";
import { env } from "cloudflare:workers";
import { type Client, createClient } from "@libsql/client/web";
import { afterAll, expect, inject, it, vi } from "vitest";
import { lineagesOf, openLineage, segmentsOf } from "../../../src/catalog/lineages.ts";
import { recordMethod } from "../../../src/catalog/fleet/methods.ts";
import { timelineOf } from "../../../src/catalog/timeline.ts";
import { uploadsOf } from "../../../src/catalog/uploads.ts";
import { LogFollower } from "../../../src/jobs/log/follow.ts";
import { momentAt } from "../../../src/read/moment.ts";
import { DAY, HOUR } from "../../../src/plan/duration.ts";
import { listKeys } from "../../../src/store/list.ts";
import { noteKey } from "../../../src/store/segment-keys.ts";
import { testContext } from "../../support/context.ts";
import { type Unreliable, unreliable } from "../../support/failing.ts";
import { askMoment } from "../../support/log-moments.ts";
import { tellMortal } from "../../support/tell-mortal.ts";

const { BUCKET, DB } = env;
const { url, control } = inject("mortal");
const EVENTS = 100;
const STATE = `SELECT (SELECT n FROM counter) || ' ' ||
  coalesce((SELECT group_concat(id || ':' || pad) FROM (SELECT * FROM items ORDER BY id)), '')`;

/** Create a seeded random generator (mulberry32). */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Parse the counter and a digest of the table that belongs to it. */
function stateOf(text: string): { n: number; digest: string } {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { n: Number.parseInt(text, 10), digest };
}

/** A server that receives writes, and every state that it ever had. */
class History {
  readonly #client: Client = createClient({ url });
  readonly #chance: () => number;
  readonly states = new Map<number, string>();
  newest = 0;

  constructor(chance: () => number) {
    this.#chance = chance;
  }

  async begin(): Promise<void> {
    await this.#client.executeMultiple(`
      DROP TABLE IF EXISTS items; DROP TABLE IF EXISTS counter;
      CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);
      CREATE TABLE items (id INTEGER PRIMARY KEY, pad TEXT);`);
    await this.look();
  }

  /** Commit one transaction, or several that a pull may come between. */
  async write(): Promise<void> {
    for (let left = 1 + this.#chance() * 4; left > 0; left--) {
      const id = Math.floor(this.#chance() * 60);
      const length = this.#chance() < 0.2 ? 6000 : 100;
      const change =
        this.#chance() < 0.08
          ? `DELETE FROM items WHERE id > ${id}`
          : `INSERT OR REPLACE INTO items VALUES (${id}, hex(randomblob(${length})))`;
      await this.#client.batch(["UPDATE counter SET n = n + 1", change], "write");
      await this.look();
    }
  }

  async look(): Promise<void> {
    const { n, digest } = stateOf(String((await this.#client.execute(STATE)).rows[0]![0]));
    expect(this.states.get(n) ?? digest).toBe(digest);
    this.states.set(n, digest);
    this.newest = n;
  }
}

/** A log that is pulled by Workers which start and die. */
class Log {
  readonly #history: History;
  readonly #chance: () => number;
  /** The claims of each successful pull. */
  readonly claims: { at: number; lineage: string; txid: number; n: number }[] = [];
  readonly name: string;
  ahead = 0;
  kills = 0;
  failures = 0;
  #worker!: { store: Unreliable; context: ReturnType<typeof testContext>; follower: LogFollower };

  constructor(history: History, chance: () => number, image: boolean) {
    this.#history = history;
    this.#chance = chance;
    this.name = image ? "by-image" : "by-log";
    this.newWorker();
  }

  newWorker(): void {
    const store = unreliable({ BUCKET, DB }, this.#chance);
    const config = { [this.name]: { url, follow: "1m", retain: { log: "2d" } } };
    const context = testContext(config, { ...store, now: () => Date.now() + this.ahead });
    this.#worker = { store, context, follower: new LogFollower() };
  }

  /** @returns true if it ended well */
  async pull(fail: number, killAfter: number): Promise<boolean> {
    const { store, context, follower } = this.#worker;
    Object.assign(store, { fail, killAfter });
    const pause = await follower.wake(context, this.name).catch(() => undefined);
    Object.assign(store, { fail: 0, killAfter: Infinity });
    if (store.killed()) {
      this.kills++;
      this.newWorker();
      return false;
    }
    const ok = pause === 60_000; // the pause is longer after a failure, and after a long idle time
    if (!ok) this.failures++;
    return ok;
  }

  async claim(): Promise<void> {
    const { context } = this.#worker;
    const { id: lineage, txid, checkedAt: at } = (await openLineage(context.catalog, this.name))!;
    this.claims.push({ at, lineage, txid, n: this.#history.newest });
  }

  async check(when: string): Promise<void> {
    const { context } = this.#worker;
    const { catalog } = context;
    expect(await uploadsOf(catalog, this.name), when).toEqual([]);
    const rows = (
      await Promise.all(
        (await lineagesOf(catalog, this.name)).map(({ id }) => segmentsOf(catalog, id)),
      )
    ).flat();
    const keys = await listKeys(BUCKET, `log/${this.name}/`);
    const isNote = (key: string) => key.includes("/notes/");
    expect(keys.filter((key) => !isNote(key)).toSorted(), when).toEqual(
      rows.map(({ key }) => key).toSorted(),
    );
    const noted = rows.map(({ key }) => noteKey(key));
    for (const key of keys.filter(isNote)) expect(noted, when).toContain(key);

    let last = 0;
    const read = new Map<string, number>();
    for (const { lineage, maxTxid: txid } of (
      await timelineOf(catalog, this.name, 10_000)
    ).toReversed()) {
      const [[text]] = (await askMoment(context, this.name, { lineage, txid }, STATE)) as [
        [string],
      ];
      const { n, digest } = stateOf(text);
      expect(digest, `${when}: ${lineage} ${txid}, which says ${n}`).toBe(
        this.#history.states.get(n),
      );
      expect(n, when).toBeGreaterThanOrEqual(last);
      last = n;
      read.set(`${lineage} ${txid}`, n);
    }
    expect(last, when).toBe(this.#history.newest);
    for (const { lineage, txid, at, n } of this.claims) {
      expect(read.get(`${lineage} ${txid}`), `${when}: ${lineage} ${txid}`).toBe(n);
      const moment = await momentAt(context, this.name, at);
      expect(read.get(`${moment.lineage} ${moment.txid}`), `${when}: at ${at}`).toBe(n);
    }
  }
}

afterAll(() => vi.restoreAllMocks());

for (const image of [true, false])
  it(`a log with a base by ${image ? "image" : "log"} tells the truth whatever dies`, async () => {
    const seed = Number(image) + 20_251;
    const chance = chanceOf(seed);
    const when = `seed ${seed}`;
    const history = new History(chance);
    await history.begin();
    const log = new Log(history, chance, image);
    const method = { protocol: "replica", image, why: "a test" } as const;
    await recordMethod(testContext({}).catalog, log.name, url, method, Date.now() + 30 * DAY);

    for (let event = 0; event < EVENTS; event++) {
      const kind = chance();
      if (kind < 0.04) await tellMortal(control, { signal: "SIGKILL" });
      else if (kind < 0.1) await tellMortal(control, { signal: "SIGTERM" });
      else if (kind < 0.2) log.ahead += HOUR;
      else if (kind < 0.22) log.ahead += 3 * DAY;
      else if (kind < 0.5) await log.pull(chance() < 0.5 ? 0.2 : 0.03, Infinity);
      else if (kind < 0.7) await log.pull(0, 1 + Math.floor(chance() * 25));
      else if (kind < 0.8) await Promise.all([history.write(), log.pull(0, Infinity)]);
      else if (kind < 0.85) log.newWorker();
      else if (await log.pull(0, Infinity)) await log.claim();
      await history.write();
    }
    log.newWorker();
    expect(await log.pull(0, Infinity), when).toBe(true);
    await log.claim();
    await log.check(when);
    expect(log.kills, when).toBeGreaterThan(3);
    expect(log.claims.length, when).toBeGreaterThan(3);
  });
