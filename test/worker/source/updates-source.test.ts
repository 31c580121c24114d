import { describe, expect, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import type { UpdatesCursor } from "../../../src/model/manifest.ts";
import { askForUpdates } from "../../../src/source/updates/request.ts";
import { updatesSource } from "../../../src/source/updates/updates.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { Replica } from "../../support/sync-client.ts";
import { TursoDatabase } from "../../support/turso-database.ts";
import { withWords } from "../../support/worded-revisions.ts";

/*
 * Against real servers of Turso's engine, one for each database. This one serves the frames of its WAL: after
 * a checkpoint it leaves out pages, forgets revisions, and calls what it does not know "no change".
 */

/** Read all rows of `items` from an image. */
async function rowsIn(image: Uint8Array): Promise<string[][]> {
  const bytes = image.slice();
  bytes[18] = bytes[19] = 1; // a file of its own, as it is stored
  const opened = await openImage(pagesOf(bytes));
  try {
    const sql = "SELECT id, data FROM items ORDER BY id";
    return await opened.rows(sql, (row) => [row.text(0)!, row.text(1)!]);
  } finally {
    opened.close();
  }
}

async function expectSame(replica: Replica, database: TursoDatabase): Promise<void> {
  const rows = await database.exec("SELECT id, data FROM items ORDER BY id");
  expect(await rowsIn(replica.image())).toEqual(rows);
}

async function pullAll(replica: Replica, database: TursoDatabase, deps?: Deps) {
  const pulled = await replica.pull(database.source, deps);
  expect(pulled.error).toBeNull();
  await expectSame(replica, database);
  return pulled;
}

/** Answers of the server, changed on their way. */
function changing(change: (answer: Uint8Array, request: number) => Uint8Array | Response) {
  const requests = { count: 0 };
  const deps: Deps = {
    ...systemDeps,
    sleep: () => Promise.resolve(),
    async fetch(...args) {
      const answer = await systemDeps.fetch(...args);
      if (answer.status !== 200) return answer;
      const changed = change(await answer.bytes(), requests.count++);
      return changed instanceof Response ? changed : new Response(changed);
    },
  };
  return { deps, requests };
}

/** Keep each answer under its request's bytes. */
function recording(answers: Map<string, Uint8Array>): Deps {
  return {
    ...systemDeps,
    async fetch(url, init) {
      const answer = await systemDeps.fetch(url, init);
      const bytes = await answer.bytes();
      answers.set(String(init?.body), bytes);
      return new Response(bytes, answer);
    },
  };
}

/** Give the answers that were kept, changed on their way. */
function replaying(
  answers: ReadonlyMap<string, Uint8Array>,
  change: (answer: Uint8Array, request: string) => Uint8Array,
): Deps {
  return {
    ...systemDeps,
    sleep: () => Promise.resolve(),
    fetch(_, init) {
      const answer = answers.get(String(init?.body));
      const changed = answer && change(answer, String(init?.body));
      return Promise.resolve(changed ? new Response(changed) : new Response("no", { status: 404 }));
    },
  };
}

/** Return a head's bytes with more fields, and its new length. */
function withHead(answer: Uint8Array, ...fields: number[]): Uint8Array {
  const length = answer[0]!;
  const head = [length + fields.length, ...answer.subarray(1, length + 1), ...fields];
  return new Uint8Array([...head, ...answer.subarray(length + 1)]);
}

/** Both kinds of revisions: the numbers of Turso's own server, and words, which do not come again. */
const KINDS = [
  ["numbers", (deps: Deps = systemDeps) => deps],
  ["words", withWords],
] as const;

describe.each(KINDS)("a pull of updates whose revisions are %s", (kind, through) => {
  const isNumber = kind === "numbers";

  it("brings the whole database at first, then the pages that changed, then nothing", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 150);
    const replica = new Replica(updatesSource);
    const { bases, commits } = await pullAll(replica, database, through());
    expect(bases).toMatchObject([
      { ascending: true, pageSize: 4096, pageCount: replica.pageCount },
    ]);
    expect(commits).toMatchObject([{ at: null, cursor: { protocol: "pull-updates" } }]);

    await database.exec("UPDATE items SET data = 'new' WHERE id IN (1, 77)");
    const second = await pullAll(replica, database, through());
    expect(second).toMatchObject({ bases: [], commits: [{}] });
    expect(second.largest.pages).toBeLessThanOrEqual(isNumber ? 48 : 9);
    expect(await pullAll(replica, database, through())).toMatchObject({ bases: [], commits: [] });
    await database.write("items", 40);
    await database.exec("DELETE FROM items WHERE id % 3 = 0");
    expect(await pullAll(replica, database, through())).toMatchObject({ bases: [], commits: [{}] });
    await database.write("items", 400);
    expect(await pullAll(replica, database, through())).toMatchObject({ bases: [], commits: [{}] });
    await database.remove();
  });

  it("does not take another history for its own because it has the same revisions", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 30);
    await database.save("early");
    await database.exec("UPDATE items SET data = 'one' WHERE id = 1");
    const replica = new Replica(updatesSource);
    await pullAll(replica, database, through());
    const { revision } = replica.cursor as UpdatesCursor;
    await database.putBack("early");
    await database.exec("UPDATE items SET data = 'another' WHERE id = 1");
    const { bases } = await pullAll(replica, database, through());
    expect(bases).toMatchObject(isNumber ? [] : [{ why: /shows other pages at revision/ }]);
    expect((replica.cursor as UpdatesCursor).revision).toBe(revision);
    await database.remove();
  });

  it("does not take a new revision without any page for no change", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 30);
    const replica = new Replica(updatesSource);
    await pullAll(replica, database, through());
    const before = replica.cursor as UpdatesCursor;
    const { deps } = changing((answer, request) =>
      request === (isNumber ? 0 : 1) ? withHead(answer, 0x0a, 1, 0x37) : answer,
    );
    const { bases, commits } = await pullAll(replica, database, through(deps));
    expect(commits).toHaveLength(1);
    expect(bases).toMatchObject(isNumber ? [] : [{ why: /shows no page that changed/ }]);
    if (isNumber) expect(replica.cursor).toMatchObject({ revision: "7", sums: before.sums });
    await database.remove();
  });
});

describe("a number that comes again", () => {
  const newest = async ({ source }: TursoDatabase) => {
    const updates = await askForUpdates(source, systemDeps, {});
    updates.end();
    return updates.head.revision;
  };

  it("hides no change, though all pages that were marked are the same", async () => {
    const database = await TursoDatabase.create();
    const values = Array.from({ length: 40 }, () => `('${"a".repeat(3500)}')`);
    await database.exec(
      "CREATE TABLE items (id INTEGER PRIMARY KEY, data)",
      `INSERT INTO items (data) VALUES ${values.join(",")}`,
    );
    for (let times = 0; times < 90; times++) await database.exec("PRAGMA user_version = 0");
    const replica = new Replica(updatesSource);
    await pullAll(replica, database);
    const { revision, marks, pageCount } = replica.cursor as UpdatesCursor;
    expect(pageCount).toBeGreaterThan(marks.length);
    await database.checkpoint();
    await database.exec("UPDATE items SET data = 'b' || substr(data, 2)");
    await database.exec("UPDATE items SET data = 'a' || substr(data, 2) WHERE id <> 7");
    while ((await newest(database)) !== revision) await database.exec("PRAGMA user_version = 0");
    // The server leaves out a page that was not written again: that is noticed, as every page is asked for.
    const { commits, error } = await replica.pull(database.source);
    expect({ commits, code: error?.code }).toEqual({ commits: [], code: "PAGES_INCOMPLETE" });
    expect(replica.cursor).toMatchObject({ revision, pageCount });
    await database.remove();
  });
});

describe("a pull of updates", () => {
  it("brings a larger database in ranges of one revision, whatever is written meanwhile", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 2200);
    const rows = await database.exec("SELECT id, data FROM items ORDER BY id");
    let asked = 0;
    const deps: Deps = {
      ...systemDeps,
      async fetch(...args) {
        if (asked++ > 0) await database.exec(`UPDATE items SET data = 'later' WHERE id = ${asked}`);
        return systemDeps.fetch(...args);
      },
    };
    const replica = new Replica(updatesSource);
    expect(await replica.pull(database.source, deps)).toMatchObject({ error: null, commits: [{}] });
    expect(asked).toBe(3);
    expect(await rowsIn(replica.image())).toEqual(rows);
    await pullAll(replica, database);
    await database.remove();
  });

  it("asks again for a range that breaks off, and gives up after some tries", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 1500);
    let broken = 0;
    const { deps } = changing((answer, request) => {
      if (![0, 2, 3].includes(request)) return answer;
      broken++;
      return answer.subarray(0, answer.length / 2);
    });
    await pullAll(new Replica(updatesSource), database, deps);
    expect(broken).toBe(3);
    const { deps: never, requests } = changing((answer) => answer.subarray(0, 5000));
    const { commits, error } = await new Replica(updatesSource).pull(database.source, never);
    expect({ commits, code: error?.code }).toEqual({ commits: [], code: "SOURCE_CUT" });
    expect(requests.count).toBe(4);
    await database.remove();
  });

  it("never takes the pages since a checkpoint for the database", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 90);
    await database.checkpoint();
    await database.write("items", 2);
    const { commits, error } = await new Replica(updatesSource).pull(database.source);
    expect({ commits, code: error?.code }).toEqual({ commits: [], code: "PAGES_INCOMPLETE" });
    expect(error?.message).toMatch(/left out page \d+ of \d+/);
    await database.remove();
  });

  it("does not go on where the server's revisions began again", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 40);
    const replica = new Replica(updatesSource);
    await pullAll(replica, database);
    const { revision, pageCount } = replica.cursor as UpdatesCursor;
    const before = replica.image();
    await database.checkpoint();
    for (const rows of [0, 1, 60, 90]) {
      if (rows > 0) await database.write("items", rows);
      const { commits, error } = await replica.pull(database.source);
      expect({ rows, commits, code: error?.code }).toMatchObject({
        rows,
        commits: [],
        code: "PAGES_INCOMPLETE",
      });
    }
    expect(replica.image()).toEqual(before);
    expect(replica.cursor).toMatchObject({ revision, pageCount });
    await database.remove();
  });
});

describe("an answer with pages", () => {
  it.each(KINDS)(
    "that ends at any byte makes no database, and no increment of a part: %s",
    async (kind, through) => {
      const database = await TursoDatabase.create();
      await database.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, data)");
      await database.exec("CREATE INDEX by_data ON items (data)");
      const replica = new Replica(updatesSource);
      await pullAll(replica, database, through());
      const first = replica.clone();
      await database.exec("INSERT INTO items (data) VALUES ('one'), ('two')");
      const answers = new Map<string, Uint8Array>();
      await replica.pull(database.source, through(recording(answers)));
      const after = replica.image();
      // All pages; or the marks, the changes, and that there are no others.
      expect(answers.size).toBe(kind === "numbers" ? 1 : 3);
      await new Replica(updatesSource).pull(database.source, through(recording(answers)));
      const longest = Math.max(...[...answers.values()].map(({ length }) => length));
      for (let end = 0; end < longest; end += end % 4096 < 24 ? 1 : 256)
        for (const cut of [...answers.keys(), "all"]) {
          const deps = through(
            replaying(answers, (answer, request) =>
              request === cut || cut === "all" ? answer.subarray(0, end) : answer,
            ),
          );
          const later = first.clone();
          const { commits } = await later.pull(database.source, deps);
          // The whole database instead of what changed is right, and so is nothing.
          if (commits.length > 0) expect(later.image()).toEqual(after);
          const anew = new Replica(updatesSource);
          if ((await anew.pull(database.source, deps)).commits.length > 0)
            expect(anew.image()).toEqual(after);
        }
      await database.remove();
    },
  );

  it("of an MVCC database is refused, in every form in which a server can say so", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 5);
    for (const fields of [
      [0x28, 1],
      [0x3a, 0],
      [0x40, 2],
    ]) {
      const { deps } = changing((answer) => withHead(answer, ...fields));
      const { commits, error } = await new Replica(updatesSource).pull(database.source, deps);
      expect({ commits, code: error?.code }).toEqual({ commits: [], code: "SOURCE_MVCC" });
    }
    await database.remove();
  });

  it("that is to replace everything, or that ignores what was asked for, is read as a whole", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 1200);
    const all: Deps["fetch"] = (url, init) =>
      systemDeps.fetch(url, { ...init, body: new Uint8Array() });
    const deps = withWords({ ...systemDeps, fetch: all });
    const replica = new Replica(updatesSource);
    expect((await pullAll(replica, database, deps)).bases).toMatchObject([{ ascending: false }]);

    await database.exec("UPDATE items SET data = 'new' WHERE id < 5");
    let request = 0;
    const replacing: Deps = {
      ...systemDeps,
      async fetch(...args) {
        const answer = await (request++ === 0 ? systemDeps.fetch : all)(...args);
        if (request === 1) return answer;
        return new Response(withHead(await answer.bytes(), 0x30, 1));
      },
    };
    const { bases } = await pullAll(replica, database, withWords(replacing));
    expect(bases).toMatchObject([{ ascending: false, why: /was replaced/ }]);
    // Numbers need all pages in ranges.
    const numbers = new Replica(updatesSource);
    await pullAll(numbers, database, { ...systemDeps, fetch: all });
    expect((await pullAll(numbers, database)).bases).toMatchObject([{ why: /may come again/ }]);
    await database.remove();
  });

  it("that tells of pages which no database has costs no memory", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 3);
    const { deps } = changing((answer) => withHead(answer, 0x10, 0xff, 0xff, 0xff, 0xff, 0x0f));
    const { commits, error } = await new Replica(updatesSource).pull(database.source, deps);
    expect({ commits, code: error?.code }).toEqual({ commits: [], code: "PAGES_INVALID" });
    await database.remove();
  });
});
