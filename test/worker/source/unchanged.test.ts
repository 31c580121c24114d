import { createClient } from "@libsql/client/web";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import type { NightjarError } from "../../../src/errors/errors.ts";
import { delimitedLength } from "../../../src/libsql/framed-body.ts";
import type { Source } from "../../../src/libsql/server.ts";
import type { PageCursor, ReplicaCursor, UpdatesCursor } from "../../../src/model/manifest.ts";
import type { PageSource } from "../../../src/source/pages.ts";
import { replicaSource, sayHello } from "../../../src/source/replica/replica.ts";
import { syncSource } from "../../../src/source/sync/sync.ts";
import { isUnchanged } from "../../../src/source/unchanged.ts";
import type { Page } from "../../../src/format/pages/page.ts";
import { haveMarks } from "../../../src/source/updates/marks.ts";
import { rangesOf, selectPages } from "../../../src/source/updates/select-pages.ts";
import { askForUpdates } from "../../../src/source/updates/request.ts";
import { updatesSource } from "../../../src/source/updates/updates.ts";
import { chanceOf } from "../../support/chance.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { ServerHistory } from "../../support/server-history.ts";
import { StandInDatabase } from "../../support/sync-client.ts";
import { tellMortal } from "../../support/tell-mortal.ts";
import { TursoDatabase } from "../../support/turso-database.ts";

/** Read everything, and return the last cursor as it is stored. */
async function cursorOf(source: PageSource, before: PageCursor | null = null) {
  let cursor = before;
  for await (const event of source.pull(before)) if (event.kind === "commit") cursor = event.cursor;
  return JSON.parse(JSON.stringify(cursor)) as PageCursor;
}

type Change = (answer: Response) => Response | Promise<Response>;

/** Ask through a network that counts requests and may change their answers. */
async function ask(source: Source, cursor: PageCursor, change: Change = (answer) => answer) {
  let requests = 0;
  const deps: Deps = {
    ...systemDeps,
    sleep: () => Promise.resolve(),
    async fetch(...args) {
      requests++;
      return change(await systemDeps.fetch(...args));
    },
  };
  const said = await isUnchanged(source, deps, cursor).catch(({ code }: NightjarError) => code);
  return { said, requests };
}

const YES = { said: true, requests: 1 };
const NO = { said: false, requests: 1 };

/** Return the bytes of the answer to the question. */
async function answerTo(source: Source, cursor: PageCursor) {
  let kept: { bytes: Uint8Array; answer: Response } | undefined;
  await ask(source, cursor, async (answer) => {
    const bytes = await answer.bytes();
    kept = { bytes, answer };
    return new Response(bytes, answer);
  });
  return kept!;
}

/** Ask, and have these bytes answer. */
async function saidOf(source: Source, cursor: PageCursor, bytes: Uint8Array, like: Response) {
  const { status, headers } = like;
  const fetch: Deps["fetch"] = async () => new Response(bytes.slice(), { status, headers });
  const deps = { ...systemDeps, fetch };
  return isUnchanged(source, deps, cursor).catch(({ code }: NightjarError) => code);
}

/** Cut an answer at every byte, and expect that it never says "unchanged". */
async function expectNoCut(source: Source, cursor: PageCursor) {
  const { bytes, answer } = await answerTo(source, cursor);
  expect(await saidOf(source, cursor, bytes, answer)).toBe(true);
  for (let end = 0; end < bytes.length; end++) {
    const said = await saidOf(source, cursor, bytes.subarray(0, end), answer);
    expect([false, "SOURCE_CUT"], `${end} of ${bytes.length} bytes`).toContain(said);
  }
}

/** Flip a bit of each byte of the answer about a database that has changed, and expect "unchanged" of none. */
async function expectNoForgery(source: Source, cursor: PageCursor, bits: readonly number[]) {
  const { bytes, answer } = await answerTo(source, cursor);
  for (const bit of bits)
    for (let at = 0; at < bytes.length; at++) {
      const altered = bytes.slice();
      altered[at]! ^= 1 << bit;
      const said = await saidOf(source, cursor, altered, answer);
      expect(said, `byte ${at}, bit ${bit}`).not.toBe(true);
    }
}

/** What a server answers that was reached and says nothing, and what that means. */
const REFUSALS = [
  [200, false],
  [302, false],
  [400, false],
  [404, false],
  [500, false],
  [401, "SOURCE_UNAUTHORIZED"],
  [403, "SOURCE_UNAUTHORIZED"],
  [429, "SOURCE_ERROR"],
  [503, "SOURCE_ERROR"],
] as const;

async function expectRefusals(source: Source, cursor: PageCursor, empty: string | false) {
  for (const [status, said] of REFUSALS) {
    const expected = status === 200 ? empty : said;
    const refusal = () => new Response("no", { status });
    expect(await ask(source, cursor, refusal), `${status}`).toEqual({
      said: expected,
      requests: 1,
    });
  }
  const away = { ...source, url: "http://127.0.0.1:9" };
  expect((await ask(away, cursor)).said).toBe("SOURCE_UNREACHABLE");
  const broken = () => new Response(new ReadableStream({ pull: (c) => c.error(new Error("cut")) }));
  expect(await ask(source, cursor, broken)).not.toMatchObject({ said: true });
}

const CHANGES: readonly [what: string, sql: string][] = [
  ["a row that is inserted", "INSERT INTO items (data) VALUES ('new')"],
  ["one byte of a row", "UPDATE items SET data = 'b' || substr(data, 2) WHERE id = 3"],
  ["a row that is deleted", "DELETE FROM items WHERE id = 2"],
  ["a table that is created", "CREATE TABLE other (a)"],
  ["a column that is added", "ALTER TABLE items ADD COLUMN more"],
  ["a number of the user's", "PRAGMA user_version = 7"],
];

describe("a log of sqld", () => {
  const ITEMS = `CREATE TABLE items (id INTEGER PRIMARY KEY, data TEXT);
    INSERT INTO items (data) VALUES ('aa'), ('aa'), ('aa'), ('aa')`;
  const sourceAt = ({ config }: PageDatabase): Source => ({
    ...config,
    stallMs: 5000,
    token: undefined,
  });
  const mortal = inject("restarted");
  const mortalSource = { url: mortal.url, token: undefined, namespace: undefined, stallMs: 5000 };
  const read = (source: Source, withImage = true, before: PageCursor | null = null) =>
    cursorOf(replicaSource(source, systemDeps, withImage), before);

  beforeAll(() => tellMortal(mortal.control, { signal: "SIGTERM", save: "fresh" }));

  for (const withImage of [true, false])
    it(`that ends where it was read costs one request (image: ${withImage})`, async () => {
      const database = await PageDatabase.create(ITEMS);
      const source = sourceAt(database);
      const first = await read(source, withImage);
      expect(await ask(source, first)).toEqual(YES);
      await database.exec("SELECT * FROM items");
      expect(await ask(source, first)).toEqual(YES);
      await database.fill("more", 50);
      expect(await ask(source, first)).toEqual(NO);
      expect(await ask(source, await read(source, withImage, first))).toEqual(YES);
    });

  it("without a frame is no answer: the database may be empty", async () => {
    const database = await PageDatabase.create();
    const source = sourceAt(database);
    for (const withImage of [true, false]) {
      const cursor = await read(source, withImage);
      expect(cursor).toMatchObject({ frame: -1 });
      expect(await ask(source, cursor)).toEqual(NO);
    }
  });

  for (const [what, sql] of CHANGES)
    it(`shows ${what}`, async () => {
      const database = await PageDatabase.create(ITEMS);
      const source = sourceAt(database);
      const cursor = await read(source);
      await database.exec(sql);
      expect(await ask(source, cursor)).toEqual(NO);
    });

  it("shows each commit as soon as its writer was answered", async () => {
    const database = await PageDatabase.create(ITEMS);
    const source = sourceAt(database);
    let cursor = await read(source);
    for (let round = 0; round < 50; round++) {
      await database.client.execute(`UPDATE items SET data = 'v${round}' WHERE id = 1`);
      expect(await ask(source, cursor)).toEqual(NO);
      cursor = await read(source, true, cursor);
      expect(await ask(source, cursor)).toEqual(YES);
    }
  });

  it("of another database, or of one that was created anew, is another one", async () => {
    const database = await PageDatabase.create(ITEMS);
    const source = sourceAt(database);
    const cursor = await read(source);
    const twin = sourceAt(await PageDatabase.create(ITEMS));
    expect(await read(twin)).toMatchObject({ frame: (cursor as ReplicaCursor).frame });
    expect(await ask(twin, cursor)).toEqual(NO);
    await database.remove();
    expect((await ask(source, cursor)).said).toBe(false);
    await database.create();
    await database.exec(ITEMS);
    expect(await read(source)).toMatchObject({ frame: (cursor as ReplicaCursor).frame });
    expect(await ask(source, cursor)).toEqual(NO);
  });

  it("of a server that was restarted may be another one, whether or not a copy was put back", async () => {
    const history = new ServerHistory(mortal, chanceOf(5));
    await history.begin();
    await history.touch(3);
    const cursor = await read(mortalSource);
    expect(await ask(mortalSource, cursor)).toEqual(YES);
    await history.change({ signal: "SIGTERM" });
    expect(await ask(mortalSource, cursor)).toEqual(NO);
    await history.change({ signal: "SIGTERM", from: "start" });
    await history.touch(3); // as many frames as were lost
    const again = (await read(mortalSource)) as ReplicaCursor;
    expect(again).toMatchObject({
      logId: (cursor as ReplicaCursor).logId,
      frame: (cursor as ReplicaCursor).frame,
    });
    expect(await ask(mortalSource, cursor)).toEqual(NO);
    await history.change({ signal: "SIGKILL" });
    expect(await ask(mortalSource, again)).toEqual(NO);
  });

  it("is not known by a cursor that lacks anything, or is not a whole state", async () => {
    const source = sourceAt(await PageDatabase.create(ITEMS));
    const cursor = (await read(source)) as ReplicaCursor;
    const { session: _, ...unbound } = cursor;
    for (const other of [
      unbound,
      { ...cursor, session: null },
      { ...cursor, session: "0".repeat(32) },
      { ...cursor, logId: crypto.randomUUID() },
      { ...cursor, frame: cursor.frame - 1, atLeast: 0 },
      { ...cursor, frame: cursor.frame + 1, atLeast: 0 },
      { ...cursor, atLeast: cursor.frame + 1 },
    ] satisfies ReplicaCursor[])
      expect(await ask(source, other), JSON.stringify(other)).toEqual(NO);
    expect(await ask(source, cursor)).toEqual(YES);
  });

  it("is asked in vain for where the answer is cut, altered or refused", async () => {
    const database = await PageDatabase.create(ITEMS);
    const source = sourceAt(database);
    const cursor = (await read(source)) as ReplicaCursor;
    await expectNoCut(source, cursor);
    await expectRefusals(source, cursor, false);
    // Until one bit cannot make one number of the other: nothing in a Hello would show that.
    const differing = async () => {
      const { index } = await sayHello(source, systemDeps);
      return (index! ^ cursor.frame).toString(2).replaceAll("0", "").length;
    };
    while ((await differing()) < 2) await database.exec("UPDATE items SET data = data || 'c'");
    await expectNoForgery(source, cursor, [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it("of a guarded server is asked for with its token only", async () => {
    const { url, token } = inject("guarded");
    const source = { url, token, namespace: undefined, stallMs: 5000 };
    await createClient({ url, authToken: token }).execute("CREATE TABLE IF NOT EXISTS guarded (a)");
    const cursor = await read(source);
    expect(await ask(source, cursor)).toEqual(YES);
    for (const wrong of [undefined, `${token}x`])
      expect(await ask({ ...source, token: wrong }, cursor)).toEqual({
        said: "SOURCE_UNAUTHORIZED",
        requests: 1,
      });
  });
});

describe("a revision of Turso's engine", () => {
  const read = (database: TursoDatabase, before: PageCursor | null = null) =>
    cursorOf(updatesSource(database.source, systemDeps), before) as Promise<UpdatesCursor>;
  const newest = async ({ source }: TursoDatabase) => {
    const updates = await askForUpdates(source, systemDeps, {});
    updates.end();
    return updates.head;
  };
  /** Create a database of a page for each row, and two more. */
  const small = async (rows: number, ...flags: string[]) => {
    const database = await TursoDatabase.create(...flags);
    const values = Array.from({ length: rows }, () => `('${"a".repeat(3500)}')`);
    await database.exec(
      "CREATE TABLE items (id INTEGER PRIMARY KEY, data)",
      `INSERT INTO items (data) VALUES ${values.join(",")}`,
    );
    return database;
  };
  /** Write the first page, without a change, until the server counts to this revision again. */
  const countTo = async (database: TursoDatabase, revision: string) => {
    const missing = Number(revision) - Number((await newest(database)).revision);
    expect(missing).toBeGreaterThan(0);
    for (let frame = 0; frame < missing; frame++) await database.exec("PRAGMA user_version = 0");
    expect((await newest(database)).revision).toBe(revision);
  };

  it("that is the newest costs one request, after an increment too", async () => {
    const database = await small(4);
    const first = await read(database);
    expect(await ask(database.source, first)).toEqual(YES);
    await database.exec("SELECT * FROM items");
    expect(await ask(database.source, first)).toEqual(YES);
    await database.exec("UPDATE items SET data = 'x' WHERE id = 2");
    expect(await ask(database.source, first)).toEqual(NO);
    const second = await read(database, first);
    expect(await ask(database.source, second)).toEqual(YES);
    await database.remove();
  });

  it("of more pages than are marked is not asked for", async () => {
    const database = await small(40);
    const cursor = await read(database);
    expect(cursor.marks.length).toBeLessThan(cursor.pageCount);
    expect(await ask(database.source, cursor)).toEqual({ said: false, requests: 0 });
    await database.remove();
  });

  // sqld refuses VACUUM.
  for (const [what, sql] of [...CHANGES, ["VACUUM", "VACUUM"] as const])
    it(`shows ${what}`, async () => {
      const database = await small(4, "--experimental-vacuum");
      const cursor = await read(database);
      await database.exec(sql);
      expect(await ask(database.source, cursor)).toEqual(NO);
      await database.remove();
    });

  it("that a checkpoint ended proves nothing when its number comes again", async () => {
    const database = await small(8);
    const cursor = await read(database);
    await database.checkpoint();
    expect(await ask(database.source, cursor)).toEqual(NO);
    await database.exec("UPDATE items SET data = 'x' || substr(data, 2) WHERE id = 7");
    await countTo(database, cursor.revision);
    expect(await newest(database)).toMatchObject({ pageCount: cursor.pageCount });
    expect(await ask(database.source, cursor)).toEqual(NO);
    await database.remove();
  });

  it("that comes again with all pages, and one byte of one row that differs, is another one", async () => {
    const database = await TursoDatabase.create();
    const tables = ["a", "b", "c"];
    const writeAll = async (...values: string[]) => {
      for (const value of values)
        for (const table of tables) await database.exec(`UPDATE ${table} SET v = '${value}'`);
    };
    for (const table of tables)
      await database.exec(`CREATE TABLE ${table} (v)`, `INSERT INTO ${table} VALUES ('zero')`);
    await writeAll("over", "over", "same");
    const cursor = await read(database);
    const { bytes } = await answerTo(database.source, cursor);
    for (const last of ["same", "sane"]) {
      await database.checkpoint();
      await writeAll("more", "same");
      await database.exec(`UPDATE b SET v = 'more'`, `UPDATE b SET v = '${last}'`);
      await countTo(database, cursor.revision);
      expect((await answerTo(database.source, cursor)).bytes.length).toBe(bytes.length);
      expect(await ask(database.source, cursor)).toEqual(last === "same" ? YES : NO);
    }
    await database.remove();
  });

  it("that comes again with all marked pages, and one byte of another page, is another one", async () => {
    const database = await small(40);
    for (let times = 0; times < 90; times++) await database.exec("PRAGMA user_version = 0");
    const cursor = await read(database);
    await database.checkpoint();
    await database.exec("UPDATE items SET data = 'b' || substr(data, 2)");
    await database.exec("UPDATE items SET data = 'a' || substr(data, 2) WHERE id <> 7");
    await countTo(database, cursor.revision);
    expect((await newest(database)).pageCount).toBe(cursor.pageCount);
    const updates = await askForUpdates(database.source, systemDeps, {
      pages: selectPages(rangesOf(cursor.marks.map(({ pgno }) => pgno))),
    });
    const shown: Page[] = [];
    for await (const pages of updates.pages())
      for (const { pgno, data } of pages) shown.push({ pgno, data: data.slice() });
    expect(haveMarks(shown, cursor.marks)).toBe(true);
    expect((await ask(database.source, cursor)).said).toBe(false);
    await database.remove();
  });

  it("of an older copy that was put back is another one, with the same number too", async () => {
    const database = await small(4);
    await database.save("early");
    await database.exec("UPDATE items SET data = 'one' WHERE id = 1");
    const cursor = await read(database);
    await database.putBack("early");
    expect(await ask(database.source, cursor)).toEqual(NO);
    await database.exec("UPDATE items SET data = 'two' WHERE id = 1");
    expect(await newest(database)).toMatchObject({
      revision: cursor.revision,
      pageCount: cursor.pageCount,
    });
    expect(await ask(database.source, cursor)).toEqual(NO);
    await database.remove();
  });

  it("of a server that was restarted is the same if its pages are", async () => {
    const database = await small(4);
    const cursor = await read(database);
    await database.save("same");
    expect(await ask(database.source, cursor)).toEqual(YES);
    await database.exec("UPDATE items SET data = 'one' WHERE id = 1");
    expect(await ask(database.source, cursor)).toEqual(NO);
    await database.remove();
  });

  it("of a database that was created anew is another one", async () => {
    const empty = await TursoDatabase.create();
    await empty.save("empty");
    await empty.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, data)");
    await empty.exec("INSERT INTO items (data) VALUES ('one')");
    const cursor = await read(empty);
    expect(await ask(empty.source, cursor)).toEqual(YES);
    await empty.putBack("empty");
    expect(await ask(empty.source, cursor)).toEqual(NO);
    await empty.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, data)");
    await empty.exec("INSERT INTO items (data) VALUES ('two')");
    expect(await newest(empty)).toMatchObject({ revision: cursor.revision });
    expect(await ask(empty.source, cursor)).toEqual(NO);
    await empty.remove();
  });

  it("is asked in vain for where the answer is cut, altered, refused or not what was asked for", async () => {
    const database = await TursoDatabase.create();
    await database.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, data)");
    const { source } = database;
    const cursor = await read(database);
    await expectNoCut(source, cursor);
    await expectRefusals(source, cursor, "SOURCE_CUT");

    const { bytes, answer } = await answerTo(source, cursor);
    const frames: Uint8Array[] = [];
    for (let at = 0, length = 0; at < bytes.length; at += length) {
      length = delimitedLength(bytes, at, bytes.length)!;
      frames.push(bytes.subarray(at, at + length));
    }
    const [start, ...pages] = frames as [Uint8Array, ...Uint8Array[]];
    expect(pages.length).toBe(2);
    const withFields = (...fields: number[]) => [
      new Uint8Array([start[0]! + fields.length, ...start.subarray(1), ...fields]),
      ...pages,
    ];
    const said = async (...parts: Uint8Array[]) =>
      saidOf(source, cursor, await new Blob(parts).bytes(), answer);
    expect(await said(...withFields())).toBe(true);
    const [one, two] = pages as [Uint8Array, Uint8Array];
    for (const parts of [[one], [two], [], [one, two, two], [one, one]])
      expect(await said(start, ...parts)).toBe(false);
    expect(await said(start, two, one)).toBe(true);
    for (const fields of [
      [0x30, 1], // the pages replace the database
      [0x28, 1], // a stream of an MVCC database
      [0x40, 2], // an MVCC database
      [0x22, 0], // compressed pages
      [0x10, 3], // another size
      [0x0a, 1, 0x37], // another revision
      [0x0a, 0],
    ])
      expect(await said(...withFields(...fields)), String(fields)).toBe(false);

    let end = start.length;
    for (const page of pages) {
      end += page.length;
      for (let at = end - 4096; at < end; at++) {
        const altered = bytes.slice();
        altered[at]! ^= 1;
        expect(await saidOf(source, cursor, altered, answer), `byte ${at}`).toBe(false);
      }
    }
    await database.exec("INSERT INTO items (data) VALUES ('new')");
    await expectNoForgery(source, cursor, [0]);
    await database.remove();
  });

  it("is not asked for if a page has no mark, and is not the same if there is one more", async () => {
    const database = await small(4);
    const cursor = await read(database);
    const { marks } = cursor;
    for (const some of [[], marks.slice(1), marks.slice(0, -1), marks.toReversed()])
      expect(await ask(database.source, { ...cursor, marks: some })).toEqual({
        said: false,
        requests: 0,
      });
    for (const other of [
      { ...cursor, pageCount: cursor.pageCount - 1, marks: marks.slice(0, -1) },
      {
        ...cursor,
        pageCount: cursor.pageCount + 1,
        marks: [...marks, { pgno: 7, hash: "0".repeat(32) }],
      },
      { ...cursor, revision: "1" },
      { ...cursor, revision: "" },
    ])
      expect(await ask(database.source, other)).toEqual(NO);
    expect(await ask(database.source, cursor)).toEqual(YES);
    await database.remove();
  });
});

it("the older protocol of Turso Cloud and images cannot say it, and are not asked", async () => {
  const database = new StandInDatabase();
  await database.write("t", 3);
  const cursor = await cursorOf(syncSource(database.source, systemDeps));
  expect(cursor).toMatchObject({ protocol: "sync" });
  const none = { said: false, requests: 0 };
  expect(await ask(database.source, cursor)).toEqual(none);
  expect(await ask(database.source, { protocol: "dbpage" })).toEqual(none);
});
