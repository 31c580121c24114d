import { Buffer } from "node:buffer";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { hashKey } from "../../../src/format/tables/erasure.ts";
import { addErasure, readErasures } from "../../../src/store/erasures.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";

const { BUCKET } = env;

const PEOPLE = `
  CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, note);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id), what TEXT);
  CREATE TABLE logins (email TEXT PRIMARY KEY, at) WITHOUT ROWID;
  INSERT INTO people VALUES (41, 'ann@example.org', 'kept'), (42, 'bob@example.org', 'gone for good'), (43, NULL, 42);
  INSERT INTO orders VALUES (1, 41, 'tea'), (2, 42, 'secret coffee'), (3, 42, 'more secrets'), (4, 43, 'milk');
  INSERT INTO logins VALUES ('ann@example.org', 1), ('bob@example.org', 2);`;

async function made(name: string, sql: string, config: object = {}) {
  const database = await PageDatabase.create(sql);
  const context = testContext({ [name]: { ...database.config, ...config } });
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  const api = apiOf(context);
  const { id } = (await newestBackup(context.catalog, name))!;
  const erase = (table: string, column: string, key: string | number) =>
    api.json(`/v1/databases/${name}/erasures`, { table, column, key, who: "dpo" });
  const sqlOf = async (path: string, body: object) => {
    const { url, erasures } = await api.json(path, body);
    return { sql: Buffer.from(await api.bytes(url)).toString(), erasures };
  };
  return { context, api, id, erase, sqlOf, links: `/v1/backups/${id}/links`, database };
}

/** Load SQL into a new database of a libSQL server. */
const loaded = (sql: string) => PageDatabase.create(sql);

describe.each(["pages", "dump"] as const)("an erasure list, over a backup by %s", (capture) => {
  it("leaves the rows out of every download, and keeps no key", async () => {
    const name = `people-${capture}`;
    const { context, api, id, erase, sqlOf, links } = await made(name, PEOPLE, {
      capture: capture === "dump" ? "dump" : "auto",
    });
    const before = await sqlOf(links, { format: "sql" });
    expect(before.erasures).toBe(0);
    expect(before.sql).toContain("bob@example.org");
    const early = await api.json(links, { format: "sql" });

    const entry = await erase("people", "id", 42);
    await erase("orders", "person", "42");
    await erase("logins", "email", "bob@example.org");
    expect(JSON.stringify(await readErasures(context.bucket, name))).not.toMatch(
      /bob|"42"|:42[,}]/,
    );
    expect(entry).toMatchObject({ table: "people", column: "id", who: "dpo" });

    for (const [body, text] of [
      [{ format: "sql" }, await sqlOf(links, { format: "sql" })],
      [
        "a link of before",
        { sql: Buffer.from(await api.bytes(early["url"])).toString(), erasures: 3 },
      ],
    ] as const) {
      expect(text.erasures).toBe(3);
      expect(text.sql, JSON.stringify(body)).not.toMatch(/bob|secret|gone for good/);
      const copy = await loaded(text.sql);
      const rows = async (sql: string) =>
        (await copy.client.execute(sql)).rows.map((row) => Array.from(row));
      expect(await rows("SELECT * FROM people")).toEqual([
        [41, "ann@example.org", "kept"],
        [43, null, 42], // 42 in another column is no key
      ]);
      expect(await rows("SELECT id FROM orders")).toEqual([[1], [4]]);
      expect(await rows("SELECT * FROM logins")).toEqual([["ann@example.org", 1]]);
    }
    const stored = capture === "dump" ? "sql.zst" : "db.zst";
    const answer = await api.json(links, { format: stored }, capture === "dump" ? 201 : 422);
    if (capture === "pages") expect(answer).toMatchObject({ code: "ERASURE_APPLIES" });
    else expect(Buffer.from(await api.bytes(answer["url"])).includes("bob")).toBe(false);

    // Later captures are left as they are: the same key may belong to somebody else by then.
    await backUp(context, manualRun(name));
    const later = (await newestBackup(context.catalog, name))!;
    expect(later.id).not.toBe(id);
    const after = await sqlOf(`/v1/backups/${later.id}/links`, { format: "sql" });
    expect(after.erasures).toBe(0);
    expect(after.sql).toContain("bob@example.org");
  });
});

describe("an erasure list", () => {
  it.each([
    ["texts", "search", "search USING fts5"],
    ["texts-quoted", '"search (old)"', '"search (old)"/* using ( */USING -- (\n"FTS5"'],
  ])(
    "goes for the words in full-text indexes, and for the moments of the log: %s",
    async (name, search, using) => {
      const { api, context, erase, sqlOf, links } = await made(
        name,
        `CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT, body TEXT);
       CREATE VIRTUAL TABLE ${using}(body, content='posts', content_rowid='id');
       CREATE TRIGGER ins AFTER INSERT ON posts BEGIN
         INSERT INTO ${search}(rowid, body) VALUES (new.id, new.body); END;
       CREATE TRIGGER del AFTER DELETE ON posts BEGIN
         INSERT INTO ${search}(${search}, rowid, body) VALUES ('delete', old.id, old.body); END;
       INSERT INTO posts VALUES (1, 'ann', 'plain words'), (2, 'bob', 'unmistakable confession');`,
      );
      await context.followers.pull(name);
      const { window } = await api.json(`/v1/databases/${name}/timeline`);
      await erase("posts", "author", "bob");
      for (const text of [
        await sqlOf(links, { format: "libsql.sql" }),
        await sqlOf(`/v1/databases/${name}/links`, { at: window.to, format: "libsql.sql" }),
      ]) {
        const hex = Buffer.from("confession").toString("hex");
        expect(text.sql).not.toContain("confession");
        expect(text.sql.toLowerCase()).not.toContain(hex);
        const copy = await loaded(text.sql);
        const found = async (word: string) =>
          (await copy.client.execute(`SELECT rowid FROM ${search} WHERE ${search} MATCH '${word}'`))
            .rows.length;
        expect([await found("plain"), await found("confession")]).toEqual([1, 0]);
      }
      const answer = await api.json(
        `/v1/databases/${name}/links`,
        { at: window.to, format: "db" },
        422,
      );
      expect(answer).toMatchObject({ code: "ERASURE_APPLIES" });
    },
  );

  it("breaks off a dump that has a full-text index over the rows", async () => {
    const { api, erase, links } = await made(
      "texts-dumped",
      `CREATE TABLE posts (id INTEGER PRIMARY KEY, author TEXT, body TEXT);
       CREATE VIRTUAL TABLE "search (old)" USING fts5(body, content=posts, content_rowid=id);
       INSERT INTO posts VALUES (1, 'bob', 'unmistakable confession');
       INSERT INTO "search (old)"("search (old)") VALUES ('rebuild');`,
      { capture: "dump" },
    );
    await erase("posts", "author", "bob");
    const { url } = await api.json(links, { format: "sql" });
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    await expect((await api.call(url)).text()).rejects.toThrow();
    expect(JSON.stringify(told.mock.lastCall)).toContain("ERASURE_FAILED");
    told.mockRestore();
  });

  it.each(["pages", "dump"] as const)(
    "deletes the row named and no other, by %s",
    async (capture) => {
      const { erase, sqlOf, links } = await made(
        `exactly-${capture}`,
        `CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT COLLATE NOCASE, score REAL);
       INSERT INTO people VALUES (1, 'Ann@example.com', 0.5), (2, 'ann@example.com', 1), (3, 'bob', 2);
       CREATE INDEX by_score ON people (score);
       CREATE TRIGGER back AFTER DELETE ON people BEGIN
         INSERT INTO people(email, score) VALUES (old.email, soundex('x')); END;`,
        { capture: capture === "dump" ? "dump" : "auto" },
      );
      await erase("people", "email", "ann@example.com");
      await erase("people", "score", "2.0");
      const { sql } = await sqlOf(links, { format: "sql" });
      const copy = await loaded(sql);
      const { rows } = await copy.client.execute("SELECT id, email FROM people");
      expect(rows.map((row) => Array.from(row))).toEqual([[1, "Ann@example.com"]]);
      const { rows: kept } = await copy.client.execute(
        "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger') ORDER BY name",
      );
      expect(kept.map((row) => row[0])).toEqual(["back", "by_score"]);
    },
  );

  it("goes for rows that were read from the log just before they were erased", async () => {
    const { context, api, erase, sqlOf } = await made("just-read", PEOPLE);
    const { followers } = context;
    const pull: typeof followers.pull = async (database) => {
      const position = await followers.pull(database);
      await erase("people", "id", 42);
      return position;
    };
    const run = await backUp(
      { ...context, followers: { ...followers, pull } },
      manualRun("just-read"),
    );
    const links = `/v1/backups/${run.backupId}/links`;
    const { sql, erasures } = await sqlOf(links, { format: "sql" });
    expect(erasures).toBe(1);
    expect(sql).not.toContain("gone for good");
    expect(await api.json(links, { format: "db.zst" }, 422)).toMatchObject({
      code: "ERASURE_APPLIES",
    });
  });

  it("is not passed over when it cannot be read", async () => {
    const { api, erase, links } = await made("unread", PEOPLE);
    await erase("people", "id", 42);
    const [key] = (await BUCKET.list({ prefix: "erasures/unread/" })).objects.map((o) => o.key);
    const { customMetadata } = (await BUCKET.head(key!))!;
    await BUCKET.put(key!, "{}", { customMetadata: customMetadata! });
    expect(await api.json(links, { format: "sql" }, 502)).toMatchObject({ code: "OBJECT_CORRUPT" });
  });

  it("refuses entries that name nothing", async () => {
    const { api } = await made("named", PEOPLE);
    for (const body of [
      {},
      { table: "", column: "id", key: 1 },
      { table: "t", column: "id", key: 1.5 },
    ])
      expect(await api.json("/v1/databases/named/erasures", body, 400)).toMatchObject({
        code: "REQUEST_INVALID",
      });
  });

  it.each(["pages", "dump"] as const)(
    "is told of a name that is not there, by %s",
    async (capture) => {
      const name = `slip-${capture}`;
      const { api } = await made(name, PEOPLE, { capture: capture === "dump" ? "dump" : "auto" });
      const path = `/v1/databases/${name}/erasures`;
      const refused = async (table: string, column: string) =>
        (await api.json(path, { table, column, key: "x" }, 422))["detail"] as string;
      expect(await refused("peopel", "id")).toMatch(
        /no table called peopel .*did you mean people\?/,
      );
      expect(await refused("people", "e-mail")).toMatch(
        /no column of people called e-mail .*did you mean email\?/,
      );
      expect((await api.json(path))["erasures"]).toEqual([]);
      const taken = await api.json(path, { table: "PEOPLE", column: "Email", key: "x" });
      expect(taken["checked"]).toMatch(/^checked against /);
      const forced = await api.json(path, { table: "gone", column: "id", key: "x", force: true });
      expect(forced["checked"]).toContain("forced");
    },
  );

  it("says so where nobody can check the names", async () => {
    const { config } = await PageDatabase.create(PEOPLE);
    const api = apiOf(testContext({ unchecked: config }));
    const entry = { table: "people", column: "id", key: 1 };
    expect((await api.json("/v1/databases/unchecked/erasures", entry))["checked"]).toBe(
      "not checked: unchecked has no backup yet",
    );
  });

  it("keeps an entry that is withdrawn, with the reason, and applies it no more", async () => {
    const { api, erase, sqlOf, links } = await made("withdrawn", PEOPLE);
    const { id } = await erase("people", "id", 42);
    await erase("logins", "email", "bob@example.org");
    expect((await sqlOf(links, { format: "sql" })).sql).not.toContain("gone for good");
    const path = `/v1/databases/withdrawn/erasures`;
    const take = (entry: string, body: object) => api.call(`${path}/${entry}`, body, "DELETE");
    expect((await take(id, {})).status).toBe(400);
    expect((await take("nothing", { reason: "x" })).status).toBe(404);
    for (let twice = 0; twice < 2; twice++)
      expect((await take(id, { reason: "the wrong person", who: "dpo" })).status).toBe(200);
    const { sql, erasures } = await sqlOf(links, { format: "sql" });
    expect(erasures).toBe(1);
    expect(sql).toContain("gone for good");
    expect(sql).not.toContain("('bob@example.org',2)");
    expect((await api.json(path))["erasures"]).toMatchObject([
      { id, withdrawn: { who: "dpo", reason: "the wrong person" } },
      { table: "logins" },
    ]);
    const keys = (await BUCKET.list({ prefix: "erasures/withdrawn/" })).objects.map(
      ({ key }) => key,
    );
    expect(keys).toHaveLength(3);
  });

  it("cannot be guessed by who has the bucket, and fails closed under another signing key", async () => {
    const { context, api, erase, sqlOf, links } = await made("secretive", PEOPLE);
    const at = new Date(Date.now() + 1000).toISOString();
    const old = {
      table: "people",
      column: "id",
      salt: "s",
      keyHash: hashKey("s", "41"),
      at,
      who: "x",
    };
    await addErasure(context.bucket, {
      format: 1,
      id: "oldentry1234",
      database: "secretive",
      ...old,
    });
    await erase("people", "id", 42);
    const stored = await readErasures(context.bucket, "secretive");
    const second = stored.find(({ format }) => format === 2)!;
    for (let key = 0; key < 100; key++)
      expect(hashKey(second.salt, String(key))).not.toBe(second.keyHash);
    expect(JSON.stringify(stored)).not.toContain("hmacKey");
    expect((await sqlOf(links, { format: "sql" })).sql).not.toMatch(/gone for good|\(41,'ann/);

    const rotated = {
      ...context,
      config: { ...context.config, signingKey: "another-signing-key-of-now" },
    };
    const after = apiOf(rotated);
    const { url } = await after.json(links, { format: "sql" });
    const answer = await after.call(url);
    expect(await answer.json()).toMatchObject({ code: "ERASURE_FAILED" });
    const former = {
      ...rotated,
      config: { ...rotated.config, formerSigningKeys: [context.config.signingKey] },
    };
    const text = Buffer.from(await apiOf(former).bytes(url)).toString();
    expect(text).not.toContain("gone for good");
    expect(text).toContain("milk");
    expect((await api.json("/v1/databases/secretive/erasures"))["erasures"]).toHaveLength(2);
  });
});
