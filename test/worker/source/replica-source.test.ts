import { createClient } from "@libsql/client/web";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { concat } from "../../../src/format/bytes/bytes.ts";
import type { PageCursor } from "../../../src/model/manifest.ts";
import { imageSource } from "../../../src/source/dbpage.ts";
import { replicaSource } from "../../../src/source/replica/replica.ts";
import type { Source } from "../../../src/libsql/server.ts";
import { askFile } from "../../support/open-file.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { spoiling } from "../../support/spoiled-frames.ts";

/** A frame of the log: gRPC-web's header, two fields' headers, sqld's own header, the page. */
const FRAME_NUMBER = 5 + 3;
const PAGE = FRAME_NUMBER + 24;

/** Applies the pages that a source sends to those that were there. */
class Replica {
  readonly pages = new Map<number, Uint8Array>();
  pageCount = 0;
  commits = 0;
  cursor: PageCursor | null = null;

  async pull(source: Source, deps: Deps = systemDeps, withImage = false): Promise<void> {
    let open = new Map<number, Uint8Array>();
    for await (const event of replicaSource(source, deps, withImage).pull(this.cursor))
      if (event.kind === "base") {
        expect(open.size).toBe(0);
        this.pages.clear();
      } else if (event.kind === "pages")
        for (const { pgno, data } of event.pages) open.set(pgno, data.slice());
      else {
        for (const [pgno, data] of open) this.pages.set(pgno, data);
        open = new Map();
        this.pageCount = event.pageCount;
        this.commits += event.commits;
        this.cursor = event.cursor;
      }
  }

  ask(sql: string): Promise<string[][]> {
    const pages = Array.from({ length: this.pageCount }, (_, n) => this.pages.get(n + 1)!);
    const file = concat(pages, this.pageCount * 4096);
    file.set([1, 1], 18);
    return askFile(file, sql, "PRAGMA integrity_check");
  }
}

function sourceOf({ config }: PageDatabase): Source {
  return { ...config, stallMs: 5000, token: undefined };
}

const ROWS = "SELECT rowid || ' ' || quote(id) || ' ' || quote(pad) FROM items ORDER BY rowid";

async function expectSame(replica: Replica, database: PageDatabase): Promise<void> {
  expect(await replica.ask(ROWS)).toEqual([await database.rows("items"), ["ok"]]);
}

describe("libSQL's log", () => {
  it("is read from its start and then from where it was left, each commit by itself", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 50);
    const replica = new Replica();
    await replica.pull(sourceOf(database));
    await expectSame(replica, database);
    const before = replica.commits;
    for (let id = 1; id <= 3; id++)
      await database.exec(`UPDATE items SET pad = 'changed' WHERE id = ${id}`);
    await replica.pull(sourceOf(database));
    expect(replica.commits - before).toBe(3);
    await expectSame(replica, database);
    await replica.pull(sourceOf(database));
    expect(replica.commits - before).toBe(3);
  });

  it("of one namespace is not another's, and of none is an error", async () => {
    const [one, other] = [await PageDatabase.create(), await PageDatabase.create()];
    await one.fill("items", 5);
    await other.fill("items", 500);
    for (const database of [one, other]) {
      const replica = new Replica();
      await replica.pull(sourceOf(database));
      await expectSame(replica, database);
    }
    const nowhere = { ...sourceOf(one), namespace: "nowhere" };
    await expect(new Replica().pull(nowhere)).rejects.toMatchObject({
      code: "SOURCE_NOT_FOUND",
      message: expect.stringContaining("NAMESPACE_DOESNT_EXIST"),
    });
  });

  it("of a guarded server is read with its token only", async () => {
    const { url, token } = inject("guarded");
    const client = createClient({ url, authToken: token });
    await client.executeMultiple("CREATE TABLE t (a); INSERT INTO t VALUES (7)");
    const source = { url, namespace: undefined, stallMs: 5000 };
    for (const wrong of [undefined, `${token}x`])
      await expect(new Replica().pull({ ...source, token: wrong })).rejects.toMatchObject({
        code: "SOURCE_UNAUTHORIZED",
      });
    const replica = new Replica();
    await replica.pull({ ...source, token });
    expect(await replica.ask("SELECT a FROM t")).toEqual([["7"], ["ok"]]);
  });

  for (const withImage of [true, false])
    it(`of an empty database is one page, and grows (image: ${withImage})`, async () => {
      const database = await PageDatabase.create();
      const replica = new Replica();
      await replica.pull(sourceOf(database), systemDeps, withImage);
      expect(await replica.ask("SELECT count(*) FROM sqlite_schema")).toEqual([["0"], ["ok"]]);
      await database.fill("items", 5);
      await replica.pull(sourceOf(database), systemDeps, withImage);
      await expectSame(replica, database);
    });
});

describe("a log that the server compacts", () => {
  it("is read on from its snapshots", async () => {
    const database = await PageDatabase.create("", inject("shortLog"));
    await database.fill("items", 20_000); // large, so that sqld merges its snapshots late
    const { deps, calls } = spoiling("Snapshot");
    const replica = new Replica();
    await replica.pull(sourceOf(database), deps);
    await expectSame(replica, database);
    calls.length = 0;
    for (let round = 0; round < 12; round++) {
      const from = round * 1500;
      await database.exec(
        `UPDATE items SET pad = '${round}' || substr(pad, 3) WHERE id > ${from} AND id <= ${from + 4000}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await replica.pull(sourceOf(database), deps);
    expect(calls).toContain("Snapshot");
    await expectSame(replica, database);

    const late = new Replica();
    await late.pull(sourceOf(database), deps);
    await expectSame(late, database);
    await database.exec("DELETE FROM items WHERE id > 10");
    await late.pull(sourceOf(database), deps);
    await expectSame(late, database);
  });
});

describe("a log that comes spoiled", () => {
  let database: PageDatabase;
  let source: Source;
  const empty = new Replica();
  const begun = () => Object.assign(new Replica(), { cursor: empty.cursor });

  beforeAll(async () => {
    database = await PageDatabase.create("CREATE TABLE items (id INTEGER PRIMARY KEY, pad TEXT)");
    source = sourceOf(database);
    await empty.pull(source);
    await database.exec("INSERT INTO items VALUES (1000, 'first')");
    await database.fill("items", 400); // one transaction of many frames
  });

  it("has no commit for a transaction that it breaks off in, and goes on after it", async () => {
    // The first frame that comes is the one that the cursor names.
    for (const at of [2, 9, 30]) {
      const replica = begun();
      const { deps } = spoiling("LogEntries", (frame, number) => (number === at ? "cut" : [frame]));
      await expect(replica.pull(source, deps)).rejects.toMatchObject({ code: "SOURCE_CUT" });
      expect(replica.commits).toBe(1);
      for (const [pgno, data] of empty.pages)
        if (!replica.pages.has(pgno)) replica.pages.set(pgno, data);
      expect((await replica.ask("SELECT pad FROM items"))[0]).toEqual(["first"]);
      await replica.pull(source);
      await expectSame(replica, database);
    }
  });

  for (const [what, at] of [
    ["its first byte", PAGE],
    ["its middle", PAGE + 2000],
    ["its last byte", PAGE + 4095],
    ["its number", FRAME_NUMBER],
    ["its checksum", FRAME_NUMBER + 8],
  ] as const)
    it(`is refused for one bit: in ${what}`, async () => {
      const replica = begun();
      const { deps } = spoiling("LogEntries", (frame, number) => {
        if (number === 12) frame[at]! ^= 4;
        return [frame];
      });
      await expect(replica.pull(source, deps)).rejects.toMatchObject({ code: "PAGES_INVALID" });
      expect(replica.commits).toBe(1);
    });

  it("may repeat frames, but must not leave one out", async () => {
    let before: Uint8Array[] = [];
    const { deps } = spoiling("LogEntries", (frame, number) => {
      const pieces = number % 5 === 0 ? [...before, frame, frame] : [frame];
      before = [...before.slice(-3), frame];
      return pieces;
    });
    const replica = new Replica();
    await replica.pull(source, deps);
    await expectSame(replica, database);

    const leaving = spoiling("LogEntries", (frame, number) => (number === 12 ? [] : [frame]));
    await expect(new Replica().pull(source, leaving.deps)).rejects.toMatchObject({
      code: "PAGES_INVALID",
      message: expect.stringContaining("jumps from frame"),
    });
  });

  it("goes on in a new session when the server does not know the old one", async () => {
    const { deps, calls } = spoiling("LogEntries", undefined, (headers, call) => {
      if (call === 0) headers.set("x-session-token", crypto.randomUUID());
    });
    const replica = new Replica();
    await replica.pull(source, deps);
    await expectSame(replica, database);
    expect(calls).toEqual(["Hello", "LogEntries", "Hello", "LogEntries"]);
  });

  it("is given up when no session is ever known", async () => {
    const { deps } = spoiling("LogEntries", undefined, (headers) => {
      headers.set("x-session-token", crypto.randomUUID());
    });
    await expect(new Replica().pull(source, deps)).rejects.toMatchObject({ code: "SOURCE_ERROR" });
  });
});

describe("an image by sqlite_dbpage", () => {
  const pulled = async (source: Source, deps: Deps) => {
    const kinds: string[] = [];
    const run = (async () => {
      for await (const { kind } of imageSource(source, deps).pull(null)) kinds.push(kind);
    })();
    const error = await run.then(
      () => undefined,
      (thrown: { code: string }) => thrown.code,
    );
    return { error, commits: kinds.filter((kind) => kind === "commit").length };
  };

  it("is refused when a page is missing, comes twice or the answer ends early", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 300);
    const source = sourceOf(database);
    let frames = 0;
    const count = spoiling("cursor", (frame) => (frames++, [frame]));
    expect(await pulled(source, count.deps)).toEqual({ error: undefined, commits: 1 });
    // Only pages are that long.
    const spoil = (wanted: (number: number) => boolean, pieces: number) =>
      spoiling("cursor", (frame, number) =>
        frame.length > 4096 && wanted(number) ? Array<Uint8Array>(pieces).fill(frame) : [frame],
      ).deps;
    for (const deps of [
      spoil((number) => number === 15, 0),
      spoil((number) => number === 15, 2),
      spoil((number) => number > 20, 0),
      spoil(() => true, 0),
    ])
      expect(await pulled(source, deps)).toEqual({ error: "PAGES_INVALID", commits: 0 });
    for (const at of [1, 3, 15, frames - 2]) {
      const { deps } = spoiling("cursor", (frame, number) => (number === at ? "cut" : [frame]));
      expect(await pulled(source, deps), `cut at ${at}`).toEqual({
        error: "SOURCE_CUT",
        commits: 0,
      });
    }
  });
});
