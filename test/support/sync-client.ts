import { expect, inject } from "vitest";
import { systemDeps, type Deps } from "../../src/core/deps.ts";
import { NightjarError } from "../../src/errors/errors.ts";
import type { PageCursor } from "../../src/model/manifest.ts";
import type { PageEvent, PageSource } from "../../src/source/pages.ts";
import type { Source } from "../../src/libsql/server.ts";
import { syncSource } from "../../src/source/sync/sync.ts";
import type { SyncFault } from "./sync-faults.ts";

/** A new database of the sync stand-in, and its controls. */
export class StandInDatabase {
  readonly source: Source;

  constructor(options: Partial<Source> = {}) {
    const url = `${inject("sync")}/test-${crypto.randomUUID()}`;
    this.source = { url, token: undefined, namespace: undefined, stallMs: 5000, ...options };
  }

  async exec(sql: string): Promise<void> {
    await this.#control("exec", sql);
  }

  /** Commit a transaction that writes `pages` pages or a few more. */
  async write(table: string, pages: number): Promise<void> {
    await this.exec(`BEGIN; CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, data);
      WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${pages})
      INSERT INTO ${table}(data) SELECT randomblob(3500) FROM n; COMMIT`);
  }

  async checkpoint(keep: "keep" | "forget" = "keep"): Promise<void> {
    await this.#control(`checkpoint${keep === "keep" ? "" : "?keep=no"}`);
  }

  async save(): Promise<void> {
    await this.#control("save");
  }

  async putBack(): Promise<void> {
    await this.#control("put-back");
  }

  async fault(...faults: SyncFault[]): Promise<void> {
    await this.#control("fault", JSON.stringify(faults));
  }

  async image(): Promise<Uint8Array> {
    return (await this.#control("image")).bytes();
  }

  async log(): Promise<{ path: string; authorization?: string }[]> {
    return (await this.#control("log")).json();
  }

  async #control(path: string, body?: string): Promise<Response> {
    const method = path === "image" || path === "log" ? "GET" : "POST";
    const response = await fetch(`${this.source.url}/-/${path}`, { method, body: body ?? null });
    if (!response.ok) throw new Error(await response.text());
    return response;
  }
}

/** The state of a reader of pages: the database as of the last commit event. */
export class Replica {
  cursor: PageCursor | null = null;
  pageCount = 0;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #make: (source: Source, deps: Deps) => PageSource;

  constructor(make: (source: Source, deps: Deps) => PageSource = syncSource) {
    this.#make = make;
  }

  /** Return a reader that has read the same. */
  clone(): Replica {
    const clone = new Replica(this.#make);
    clone.cursor = this.cursor;
    clone.pageCount = this.pageCount;
    for (const [pgno, data] of this.#pages) clone.#pages.set(pgno, data);
    return clone;
  }

  /** Return the image's bytes; a page that never came is zeros. */
  image(): Uint8Array {
    const bytes = new Uint8Array(this.pageCount * 4096);
    for (const [pgno, data] of this.#pages) bytes.set(data, (pgno - 1) * 4096);
    return bytes;
  }

  /** Follow a pull as its contract requires; returns what came and how it ended. */
  async pull(source: Source, deps: Deps = systemDeps) {
    const bases: (PageEvent & { kind: "base" })[] = [];
    const commits: (PageEvent & { kind: "commit" })[] = [];
    const largest = { pages: 0 };
    let highest = 0;
    let error: NightjarError | null = null;
    let open: Map<number, Uint8Array> | null = null;
    let dropped = false;
    try {
      for await (const event of this.#make(source, deps).pull(this.cursor)) {
        if (event.kind === "base") {
          bases.push(event);
          open = new Map();
          dropped = true;
        } else if (event.kind === "pages") {
          expect(event.pages.length).toBeGreaterThan(0);
          open ??= new Map();
          for (const { pgno, data } of event.pages) {
            expect(data.length).toBe(4096);
            open.set(pgno, data.slice());
            highest = Math.max(highest, pgno);
          }
          largest.pages = Math.max(largest.pages, open.size);
        } else {
          commits.push(event);
          if (dropped) this.#pages.clear();
          for (const [pgno, data] of open ?? []) this.#pages.set(pgno, data);
          for (const pgno of this.#pages.keys())
            if (pgno > event.pageCount) this.#pages.delete(pgno);
          open = null;
          dropped = false;
          this.pageCount = event.pageCount;
          // Everything stored beside the pages must survive as JSON.
          this.cursor = JSON.parse(JSON.stringify(event.cursor)) as PageCursor;
        }
      }
    } catch (thrown) {
      if (!(thrown instanceof NightjarError)) throw thrown;
      error = thrown;
    }
    return { bases, commits, largest, highest, error };
  }
}

/** List the pages where two images differ: a diff of megabytes helps nobody. */
export function differingPages(one: Uint8Array, other: Uint8Array): number[] {
  const differing: number[] = [];
  for (let at = 0; at < Math.max(one.length, other.length); at += 4096) {
    const [a, b] = [one.subarray(at, at + 4096), other.subarray(at, at + 4096)];
    if (a.length !== b.length || a.some((byte, index) => byte !== b[index]))
      differing.push(at / 4096 + 1);
  }
  return differing;
}

/** Pull; the result must equal the server's database, page by page. */
export async function pullAll(database: StandInDatabase, replica: Replica) {
  const pulled = await replica.pull(database.source);
  expect(pulled.error).toBeNull();
  expect(differingPages(replica.image(), await database.image())).toEqual([]);
  return pulled;
}

/** Create a database of some hundred pages, a checkpoint and two transactions after it. */
export async function sample(options: object = {}): Promise<StandInDatabase> {
  const database = new StandInDatabase(options);
  await database.write("old", 150);
  await database.checkpoint();
  await database.write("new", 5);
  await database.write("newer", 7);
  return database;
}
