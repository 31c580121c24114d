import { type Client, createClient } from "@libsql/client/web";
import { newestBackup } from "../../src/catalog/backups.ts";
import type { Context } from "../../src/worker/context.ts";
import { gather } from "../../src/format/bytes/bytes.ts";
import { readSnapshotFile } from "../../src/store/snapshot-reader.ts";
import type { Chance } from "./chance.ts";
import { databaseBytes } from "./hrana-pages.ts";
import type { Mortality } from "./mortal-sqld.ts";
import { tellMortal } from "./tell-mortal.ts";

const PAGE = 4096;

/** A libSQL server whose past changes at random. */
export class ServerHistory {
  readonly client: Client;
  readonly #control: string;
  readonly #chance: Chance;
  /** Copies of the data folder, and the number of frames written since each was made. */
  readonly #copies = new Map<string, number>();
  /** The events so far, for messages. */
  readonly told: string[] = [];

  constructor(server: { url: string; control: string }, chance: Chance) {
    this.client = createClient({ url: server.url });
    this.#control = server.control;
    this.#chance = chance;
  }

  /** Begin a new history: after an exchange of only the file, the server's log continues the old one. */
  async begin(): Promise<void> {
    await this.change({ signal: "SIGTERM", from: "fresh" });
    await this.client.executeMultiple(`
      CREATE TABLE items (id INTEGER PRIMARY KEY, pad TEXT); CREATE INDEX by_pad ON items (pad);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
      INSERT INTO items SELECT i, hex(randomblob(60)) FROM n;
      CREATE TABLE other (id INTEGER PRIMARY KEY, n); INSERT INTO other VALUES (1, 0);`);
    await this.change({ signal: "SIGTERM", save: "start" });
  }

  /** Change the server in a way that needs a restart. */
  async change(how: Mortality): Promise<void> {
    this.told.push(JSON.stringify(how));
    await tellMortal(this.#control, how);
    if (how.save !== undefined) this.#copies.set(how.save, 0);
  }

  /** Commit a transaction of one frame: it rewrites a row in place. */
  async touch(times = 1): Promise<void> {
    this.told.push(`touch ${times}`);
    for (let time = 0; time < times; time++) {
      await this.client.execute(`UPDATE other SET n = abs(random() % 100000) + 100000`);
      for (const [name, frames] of this.#copies) this.#copies.set(name, frames + 1);
    }
  }

  async write(): Promise<void> {
    const chance = this.#chance;
    const id = 1 + chance.below(60);
    const sql = chance.of([
      `INSERT OR REPLACE INTO items VALUES (${id}, hex(randomblob(60)))`,
      `DELETE FROM items WHERE id % 7 = ${id % 7}`,
      `INSERT INTO items (pad) SELECT hex(randomblob(900)) FROM items LIMIT ${id}`,
      `CREATE TABLE IF NOT EXISTS extra${id % 3} (a, b); INSERT INTO extra${id % 3} VALUES (1, randomblob(${id * 100}))`,
      `DROP TABLE IF EXISTS extra${id % 3}`,
      `UPDATE items SET pad = hex(randomblob(50))`,
      // Enough to make sqld compact a log of one megabyte.
      `INSERT INTO items (pad) SELECT hex(randomblob(2000)) FROM items, (SELECT 1 UNION SELECT 2) LIMIT 120;
       DELETE FROM items WHERE id > 200`,
    ]);
    this.told.push(sql.slice(0, 50));
    await this.client.executeMultiple(sql);
    for (const [name, frames] of this.#copies) this.#copies.set(name, frames + 100);
  }

  /** Put back an earlier copy, whole or in part, and then sometimes write as much as was lost. */
  async rollBack(only: "data" | undefined): Promise<void> {
    const chance = this.#chance;
    const [from, lost] = chance.of([...this.#copies]);
    const signal = chance.happens(0.9) ? "SIGTERM" : "SIGKILL";
    await this.change({ signal, from, ...(only !== undefined && { only }) });
    const again = Math.min(lost, 20) + chance.of([-1, 0, 0, 0, 1, 3]);
    await this.touch(Math.max(0, again));
    for (const [name, frames] of this.#copies) if (frames < lost) this.#copies.delete(name);
    this.#copies.set(from, Math.max(0, again));
  }
}

/** Read the file in the newest backup of a database. */
export async function newestFile({ catalog, bucket }: Context, name: string): Promise<Uint8Array> {
  const { manifest } = (await newestBackup(catalog, name))!;
  return gather(readSnapshotFile(bucket, manifest));
}

/** List the page numbers where a stored database differs from the server's present state. */
export async function differences(stored: Uint8Array, client: Client): Promise<number[]> {
  const now = await databaseBytes(client as never);
  const differing: number[] = stored.length === now.length ? [] : [0];
  const journal = now.subarray(18, 20);
  stored.set(journal, 18); // stored files are in rollback mode
  for (let at = 0; at < now.length; at += PAGE)
    if (now.subarray(at, at + PAGE).some((byte, place) => byte !== stored[at + place]))
      differing.push(at / PAGE + 1);
  return differing;
}
