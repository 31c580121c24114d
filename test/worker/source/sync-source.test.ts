import { describe, expect, it } from "vitest";
import { systemDeps } from "../../../src/core/deps.ts";
import { syncSource } from "../../../src/source/sync/sync.ts";
import {
  differingPages,
  pullAll,
  Replica,
  sample,
  StandInDatabase,
} from "../../support/sync-client.ts";

describe("a pull", () => {
  it("brings the whole database at first: the export, then each transaction", async () => {
    const database = await sample();
    const replica = new Replica();
    const { bases, commits } = await pullAll(database, replica);
    expect(bases).toMatchObject([{ pageSize: 4096, ascending: true }]);
    expect(commits.length).toBe(3);
    expect(commits[0]).toMatchObject({
      at: null,
      commits: 1,
      cursor: { protocol: "sync", generation: 2, frame: 0 },
    });
    expect(replica.pageCount).toBeGreaterThan(160);
  });

  it("brings only what is new afterwards, and nothing when there is nothing", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    const before = (await database.log()).length;
    expect(await pullAll(database, replica)).toMatchObject({ bases: [], commits: [] });
    expect((await database.log()).length).toBe(before + 2);
    await database.write("new", 3);
    await database.exec("DELETE FROM old WHERE id % 3 = 0");
    const { bases, commits } = await pullAll(database, replica);
    expect(bases).toEqual([]);
    expect(commits.length).toBe(2);
  });

  it("starts anew after a cursor of another protocol or of a generation yet to come", async () => {
    const database = await sample();
    const replica = new Replica();
    for (const [cursor, why] of [
      [{ protocol: "dbpage" }, "The last pull used another protocol (dbpage)."],
      [{ protocol: "sync", generation: 9, frame: 3 }, "The server is at generation 2, the last"],
    ] as const) {
      replica.cursor = cursor;
      const { bases } = await pullAll(database, replica);
      expect(bases.length).toBe(1);
      expect(bases[0]!.why).toContain(why);
    }
  });

  it("gives no commit for a transaction of several batches before its end", async () => {
    const database = new StandInDatabase();
    const replica = new Replica();
    await database.write("a", 10);
    await pullAll(database, replica);
    const before = replica.image();
    await database.write("big", 700);
    await database.fault({ on: "sync/1", skip: 3, status: 503 });
    const cut = await replica.pull(database.source);
    expect(cut.error?.code).toBe("SOURCE_ERROR");
    expect(cut.largest.pages).toBeGreaterThan(300);
    expect(cut.commits).toEqual([]);
    expect(differingPages(replica.image(), before)).toEqual([]);
    const { commits } = await pullAll(database, replica);
    expect(commits.length).toBe(1);
  });

  it("ends without a commit when the history ends inside of a transaction", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    await database.write("big", 300);
    await database.fault({ on: "sync", end: 100 * 4120 });
    expect(await replica.pull(database.source)).toMatchObject({ commits: [], error: null });
    expect((await pullAll(database, replica)).commits.length).toBe(1);
  });

  it("follows histories whose length is a whole number of batches", async () => {
    const database = new StandInDatabase();
    const replica = new Replica();
    await database.exec("CREATE TABLE t(x)"); // two frames
    for (let row = 0; row < 126; row++) await database.exec(`INSERT INTO t VALUES (${row})`);
    const { commits } = await pullAll(database, replica);
    expect(replica.cursor).toMatchObject({ frame: 128 });
    expect(commits.length).toBe(128);
    expect((await database.log()).at(-1)!.path).toBe("sync/1/129/257");
  });

  it("shrinks with a VACUUM", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    const { pageCount } = replica;
    await database.exec("DROP TABLE old; VACUUM");
    await pullAll(database, replica);
    expect(replica.pageCount).toBeLessThan(pageCount / 2);
    await database.write("again", 200);
    await pullAll(database, replica);
    await pullAll(database, new Replica()); // everything in one pull
  });

  it("takes pages that a transaction wrote and gave up for what they are: nothing", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    const rows = (count: number) => `INSERT INTO old(data) SELECT randomblob(3500)
      FROM old AS a, old AS b LIMIT ${count}`;
    await database.exec(
      `BEGIN; SAVEPOINT s; ${rows(300)}; ROLLBACK TO s; RELEASE s; ${rows(200)}; COMMIT`,
    );
    const { highest } = await pullAll(database, replica);
    expect(highest).toBeGreaterThan(replica.pageCount);
    await database.write("again", 200); // now these pages are in use
    await pullAll(database, replica);
    await pullAll(database, new Replica());
  });

  it("takes a database that was never checkpointed, and one that was never written", async () => {
    const database = new StandInDatabase();
    const replica = new Replica();
    const { commits } = await pullAll(database, replica);
    expect(commits).toMatchObject([{ pageCount: 1, cursor: { generation: 1, frame: 0 } }]);
    await database.write("first", 9);
    expect((await pullAll(database, replica)).bases).toEqual([]);
  });

  it("takes an export without pages when the frames bring them all", async () => {
    const database = new StandInDatabase();
    await database.fault({ on: "export", end: 0, times: 9 });
    const replica = new Replica();
    const nothing = await replica.pull(database.source);
    expect(nothing).toMatchObject({ commits: [], error: { code: "PAGES_INVALID" } });
    expect(nothing.error?.message).toContain("no pages");
    await database.write("first", 200);
    const { bases } = await pullAll(database, replica);
    expect(bases).toMatchObject([{ ascending: false }]);
    await database.checkpoint();
    await database.write("second", 1);
    const partial = await new Replica().pull(database.source);
    expect(partial).toMatchObject({ commits: [], error: { code: "PAGES_INVALID" } });
  });

  it("leaves out the page that holds the lock byte", async () => {
    const pages = 262_146; // one past it
    const header = new Uint8Array((await new StandInDatabase().image()).slice(0, 4096));
    new DataView(header.buffer).setUint32(28, pages);
    new DataView(header.buffer).setUint32(92, new DataView(header.buffer).getUint32(24));
    const zeros = new Uint8Array(4096 * 1024);
    const fetch = async (url: string) => {
      if (url.endsWith("/info")) return Response.json({ current_generation: 1 });
      if (url.includes("/sync/"))
        return Response.json(
          { status: "checkpoint_needed", generation: 1, max_frame_no: 0 },
          { status: 400 },
        );
      const { readable, writable } = new FixedLengthStream(pages * 4096);
      const writer = writable.getWriter();
      const send = async () => {
        await writer.write(header);
        for (let left = pages - 1; left > 0; left -= 1024)
          await writer.write(zeros.subarray(0, Math.min(left, 1024) * 4096));
        await writer.close();
      };
      void send();
      return new Response(readable);
    };
    const source = new StandInDatabase().source;
    const given: number[] = [];
    let pageCount = 0;
    for await (const event of syncSource(source, { ...systemDeps, fetch }).pull(null)) {
      if (event.kind === "pages") given.push(...event.pages.map(({ pgno }) => pgno));
      if (event.kind === "commit") pageCount = event.pageCount;
    }
    expect(pageCount).toBe(pages);
    expect(given.length).toBe(pages - 1);
    expect(given.slice(-2)).toEqual([262_144, 262_146]);
  });
});

describe("a new generation", () => {
  it("goes on from a state that was read to its end", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    await database.checkpoint();
    expect(await pullAll(database, replica)).toMatchObject({ bases: [], commits: [] });
    await database.write("later", 4);
    await database.checkpoint();
    await database.checkpoint();
    await database.write("latest", 4);
    const { bases, commits } = await pullAll(database, replica);
    expect(bases).toEqual([]);
    expect(commits.map(({ cursor }) => cursor)).toMatchObject([
      { generation: 3 },
      { generation: 5 },
    ]);
  });

  it("is reached through the frames that were not read yet", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    await database.write("unread", 140);
    await database.checkpoint();
    await database.write("later", 4);
    const { bases } = await pullAll(database, replica);
    expect(bases).toEqual([]);
    expect(replica.cursor).toMatchObject({ generation: 3 });
  });

  it("starts anew when the frames that it goes on from are gone, unread ones or not", async () => {
    for (const unread of [true, false]) {
      const database = await sample();
      const replica = new Replica();
      await pullAll(database, replica);
      if (unread) await database.write("unread", 4);
      await database.checkpoint("forget");
      await database.write("later", 4);
      const { bases, commits } = await pullAll(database, replica);
      expect(bases.length).toBe(1);
      expect(bases[0]!.why).toMatch(/no longer has the frame at generation 2, frame \d+/);
      expect(commits[0]!.cursor).toMatchObject({ generation: 3, frame: 0 });
    }
  });

  it("starts anew when it begins inside of a transaction that was being read", async () => {
    const database = new StandInDatabase();
    const replica = new Replica();
    await pullAll(database, replica);
    await database.write("big", 300);
    await database.fault({ on: "sync", skip: 1, before: "checkpoint, forget" });
    expect((await pullAll(database, replica)).bases.length).toBe(1);
  });

  it("may begin at any moment of a first pull", async () => {
    for (const on of ["info", "export", "sync"])
      for (const before of ["checkpoint", "checkpoint, forget"] as const) {
        const database = await sample();
        const replica = new Replica();
        await database.fault({ on, before });
        const { error } = await replica.pull(database.source);
        expect.soft(error, `${before} before ${on}`).toBeNull();
        await pullAll(database, replica);
      }
  });

  it("starts anew when the server forgot the old one or went back", async () => {
    const database = await sample();
    const replica = new Replica();
    await pullAll(database, replica);
    await database.checkpoint("forget");
    await database.fault({ on: "sync", status: 404 });
    const forgotten = await pullAll(database, replica);
    expect(forgotten.bases).toMatchObject([{ why: "The server no longer has generation 2." }]);
    await database.write("more", 3);
    await pullAll(database, replica);
    const says = (generation: number, max_frame_no: number) =>
      JSON.stringify({ status: "checkpoint_needed", generation, max_frame_no });
    const { frame } = replica.cursor as { frame: number };
    for (const body of [says(3, 1), says(2, 100), says(2, frame), says(3, 999)]) {
      await database.fault({ on: "sync", status: 400, body });
      expect((await pullAll(database, replica)).bases.length, body).toBe(1);
    }
  });

  it("has checksums of its own, whatever the salts say", async () => {
    const database = new StandInDatabase();
    await database.write("old", 150);
    await database.checkpoint();
    const begun = new Replica();
    await pullAll(database, begun);
    const mark = begun.cursor;
    expect(mark).toMatchObject({ generation: 2, frame: 0 });
    await database.write("new", 5);
    await database.write("newer", 7);
    await database.checkpoint();
    await database.write("later", 4);
    const replica = new Replica();
    replica.cursor = mark;
    // Checksums do not cover the salts: these frames chain within each generation, not across generations.
    const salts = (frames: number) =>
      Array.from({ length: frames }, (_, at): [number, string] => [at * 4120 + 8, "00".repeat(8)]);
    const probe = new Replica();
    probe.cursor = replica.cursor;
    const { commits } = await probe.pull(database.source);
    const last = (generation: number) =>
      commits
        .map(({ cursor }) => cursor as { generation: number; frame: number })
        .findLast((cursor) => cursor.generation === generation)!.frame;
    await database.fault(
      { on: "sync/2", patch: salts(last(2)) },
      { on: "sync/3", patch: salts(last(3)) },
    );
    const pulled = await replica.pull(database.source);
    expect(pulled.error).toBeNull();
    const places = (found: typeof commits) =>
      found.map(({ cursor, pageCount }) => ({ ...cursor, mark: undefined, pageCount }));
    expect(places(pulled.commits)).toEqual(places(commits));
  });

  it("gives up on a server whose history breaks off again and again", async () => {
    const database = await sample();
    const body = JSON.stringify({ status: "checkpoint_needed", generation: 2, max_frame_no: 99 });
    await database.fault({ on: "sync", times: 99, status: 400, body });
    const { bases, error } = await new Replica().pull(database.source);
    expect(error?.code).toBe("PAGES_INVALID");
    expect(bases.length).toBe(3);
  });
});

describe("a redirect", () => {
  const token = "the-token";

  it("is followed once, with the token, on the same host", async () => {
    const database = await sample({ token });
    const path = new URL(database.source.url).pathname;
    const to = (name: string) => ({ status: 307, headers: { location: `${path}/${name}` } });
    await database.fault(
      { on: "info", ...to("info") },
      { on: "export", ...to("export/2") },
      { on: "sync", ...to("sync/2/1/129") },
    );
    await pullAll(database, new Replica());
    const log = await database.log();
    expect(log.map((entry) => entry.path)).toEqual(
      ["info", "export/2", "sync/2/1/129"].flatMap((name) => [name, name]),
    );
    expect(new Set(log.map(({ authorization }) => authorization))).toEqual(
      new Set([`Bearer ${token}`]),
    );
    await database.fault({ on: "info", times: 2, ...to("info") });
    const { error } = await new Replica().pull(database.source);
    expect(error?.message).toContain("redirected twice");
  });

  it("to a stranger is not followed", async () => {
    const database = await sample({ token });
    const { port } = new URL(database.source.url);
    for (const location of [
      `http://localhost:${port}/stolen/info`,
      `https://127.0.0.1:${port}/stolen/info`,
      "http://127.0.0.1:9/info",
      "//",
    ]) {
      await database.fault({ on: "info", status: 302, headers: { location } });
      const { error } = await new Replica().pull(database.source);
      expect(error?.code).toBe("PAGES_INVALID");
      expect(error?.message).toContain("must not go");
    }
    await database.fault({ on: "info", status: 302 });
    expect((await new Replica().pull(database.source)).error?.code).toBe("PAGES_INVALID");
  });
});
