import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { env } from "cloudflare:workers";
import { parquetRead } from "hyparquet";
import { beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { sharedBlocks } from "../../../src/store/block-cache.ts";
import { apiOf, askApp } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { LIBSQL_ONLY } from "../../support/fidelity.ts";
import { lyingBucket } from "../../support/lying-bucket.ts";
import { PageDatabase } from "../../support/page-database.ts";

const SHOP = `
  CREATE TABLE artists(id INTEGER PRIMARY KEY, name TEXT, score REAL, photo BLOB);
  INSERT INTO artists VALUES (1, 'AC/DC', 1.0, X'00FF'), (2, 'Björk', 0.5, NULL), (3, '', NULL, X'');
  CREATE TABLE albums(id INTEGER PRIMARY KEY AUTOINCREMENT, artist REFERENCES artists(id), title TEXT);
  INSERT INTO albums VALUES (1, 1, 'Let There Be Rock'), (7, 2, 'Post');
  CREATE INDEX by_artist ON albums(artist);
  CREATE VIEW names AS SELECT name FROM artists;
  CREATE TRIGGER gone AFTER DELETE ON artists BEGIN DELETE FROM albums WHERE artist = old.id; END;`;

let source: PageDatabase;
let databases: Record<string, object>;
let context: ReturnType<typeof testContext>;
let api: ReturnType<typeof apiOf>;
const ids: Record<string, string> = {};
/** A moment of before the last change. */
let before: string;

beforeAll(async () => {
  source = await PageDatabase.create(SHOP);
  const { config } = source;
  const large = await PageDatabase.create();
  await large.fill("items", 4000);
  databases = {
    shop: config,
    dumped: { ...config, capture: "dump" },
    large: { ...large.config, capture: "pages" },
  };
  context = testContext(databases);
  api = apiOf(context);
  for (const name of Object.keys(databases)) {
    await backUp(context, manualRun(name));
    ids[name] = (await newestBackup(context.catalog, name))!.id;
  }
  before = (await api.json("/v1/databases/shop/timeline"))["window"].to;
  await new Promise((resolve) => setTimeout(resolve, 20));
  await source.exec(
    "DELETE FROM artists WHERE id = 1; INSERT INTO artists VALUES (9, 'new', 9, NULL)",
  );
  await context.followers.pull("shop");
});

const linkTo = (terms: object, name = "shop", status = 201) =>
  api.json(`/v1/backups/${ids[name]}/links`, { format: "ndjson", ...terms }, status);
const textOf = async (url: string) => Buffer.from(await api.bytes(url)).toString();
const read = async (terms: object) => textOf((await linkTo(terms))["url"]);
const rowsOf = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("a link to rows", () => {
  it("gives all tables, or one, in each format", async () => {
    expect(rowsOf(await read({}))).toEqual([
      { table: "artists", row: { id: 1, name: "AC/DC", score: 1, photo: { blob: "AP8=" } } },
      { table: "artists", row: { id: 2, name: "Björk", score: 0.5, photo: null } },
      { table: "artists", row: { id: 3, name: "", score: null, photo: { blob: "" } } },
      { table: "albums", row: { id: 1, artist: 1, title: "Let There Be Rock" } },
      { table: "albums", row: { id: 7, artist: 2, title: "Post" } },
    ]);
    const albums = [
      { id: 1, artist: 1, title: "Let There Be Rock" },
      { id: 7, artist: 2, title: "Post" },
    ];
    expect(rowsOf(await read({ tables: ["albums"] }))).toEqual(albums);
    expect(JSON.parse(await read({ tables: ["ALBUMS"], format: "json" }))).toEqual({ albums });
    expect(await read({ tables: ["artists"], format: "csv" })).toBe(
      'id,name,score,photo\r\n1,"AC/DC",1,AP8=\r\n2,"Björk",0.5,\r\n3,"",,""\r\n',
    );
    expect(await read({ tables: ["artists"], format: "csv", blobs: "hex" })).toContain(",00ff\r");
    const { url } = await linkTo({ format: "csv.gz", tables: ["albums"] });
    expect(url).toMatch(/\.csv\.gz$/);
    const unzipped = gunzipSync(await api.bytes(url)).toString();
    expect(unzipped).toBe('id,artist,title\r\n1,1,"Let There Be Rock"\r\n7,2,"Post"\r\n');
  });

  it("gives a table as Parquet, of a backup and of a moment", async () => {
    const { url } = await linkTo({ format: "parquet", tables: ["artists"] });
    const answer = await askApp(new Request(url), context);
    expect(answer.headers.get("content-type")).toBe("application/vnd.apache.parquet");
    const read = async (file: ArrayBuffer) => {
      let rows: unknown[] = [];
      await parquetRead({ file, utf8: false, onComplete: (all) => void (rows = all) });
      return rows;
    };
    expect(await read(await answer.arrayBuffer())).toEqual([
      [1n, "AC/DC", 1, new Uint8Array([0, 255])],
      [2n, "Björk", 0.5, null],
      [3n, "", null, new Uint8Array()],
    ]);
    const terms = {
      at: before,
      format: "parquet",
      tables: ["albums"],
      where: { albums: "id > 1" },
    };
    const moment = await api.json("/v1/databases/shop/links", terms);
    const bytes = new Uint8Array(await api.bytes(moment["url"])).buffer;
    expect(await read(bytes)).toEqual([[7n, 2n, "Post"]]);
  });

  it("gives the rows for which an expression is true", async () => {
    const where = { artists: "name LIKE 'B%'", albums: "id > 1" };
    expect(rowsOf(await read({ where })).map(({ row }) => row.id)).toEqual([2, 7]);
  });

  it("tells its tables with their columns and counters", async () => {
    expect((await linkTo({}))["export"]).toEqual({
      tables: [
        { name: "artists", columns: ["id", "name", "score", "photo"], sequence: null },
        { name: "albums", columns: ["id", "artist", "title"], sequence: "7" },
      ],
      leftOut: [],
    });
    expect((await linkTo({ format: "sql" }))["export"]).toBeNull();
  });

  it("gives a moment of the page log", async () => {
    const links = "/v1/databases/shop/links";
    const asked = { format: "ndjson", tables: ["artists"] };
    const now = (await api.json("/v1/databases/shop/timeline"))["window"].to;
    const idsAt = async (at: string) =>
      rowsOf(await textOf((await api.json(links, { ...asked, at }))["url"])).map(({ id }) => id);
    expect([await idsAt(before), await idsAt(now)]).toEqual([
      [1, 2, 3],
      [2, 3, 9],
    ]);
    const { export: exported } = await api.json(links, { ...asked, at: now, order: "key" });
    expect(exported.tables).toHaveLength(1);
  });

  it("gives SQL of some tables, of the schema or of the rows", async () => {
    const sql = (terms: object) => read({ format: "sql", ...terms });
    const albums = await sql({ tables: ["albums"] });
    expect(albums).toMatch(/^PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n.*\nCOMMIT;\n$/s);
    expect(albums).toMatch(/CREATE TABLE albums.*INSERT INTO "albums".*CREATE INDEX by_artist/s);
    expect(albums).not.toMatch(/CREATE TABLE artists|CREATE VIEW|CREATE TRIGGER|AC\/DC/);
    const schema = await sql({ only: "schema" });
    expect(schema).toMatch(/CREATE TABLE artists.*CREATE VIEW names.*CREATE TRIGGER gone/s);
    expect(schema).not.toContain("INSERT");
    const data = await sql({ only: "data", tables: ["artists"] });
    expect(data).toMatch(/INSERT INTO "artists"/);
    expect(data).not.toMatch(/CREATE/);
    const copy = await PageDatabase.create(schema);
    await copy.exec(await sql({ only: "data" }));
    const { rows } = await copy.client.execute("SELECT title FROM albums ORDER BY id");
    expect(rows.map(({ title }) => title)).toEqual(["Let There Be Rock", "Post"]);
  });

  it("gives rows of what only libSQL can make", async () => {
    const own = await PageDatabase.create();
    await own.exec(LIBSQL_ONLY.join(";\n"));
    const only = testContext({ libsql: own.config });
    await backUp(only, manualRun("libsql"));
    const ask = apiOf(only);
    const { id } = (await newestBackup(only.catalog, "libsql"))!;
    const link = await ask.json(`/v1/backups/${id}/links`, { format: "json" });
    expect(link["export"].leftOut).toEqual([]);
    const document = JSON.parse(Buffer.from(await ask.bytes(link["url"])).toString());
    expect(Object.keys(document)).toEqual(["vectors", "drawn", "changed"]);
    expect(document.vectors[0]).toEqual({
      id: 1,
      e: { blob: "AACAPwAAAEAAAEBA" },
      w: { real: "1.0" },
    });
    expect(document.drawn.map(({ a }: { a: unknown }) => a)).toEqual(
      expect.arrayContaining(["first", { real: "2.0" }]),
    );
    expect(document.changed).toEqual([{ a: 1, b: "x" }]);
  });

  it("never gives erased rows", async () => {
    const erased = await PageDatabase.create(SHOP);
    const own = testContext({ erased: erased.config });
    await backUp(own, manualRun("erased"));
    const { id } = (await newestBackup(own.catalog, "erased"))!;
    const ask = apiOf(own);
    const early = await ask.json(`/v1/backups/${id}/links`, { format: "csv", tables: ["artists"] });
    await ask.json("/v1/databases/erased/erasures", {
      ...{ table: "artists", column: "name", key: "Björk", who: "dpo" },
    });
    const { url } = await ask.json(`/v1/backups/${id}/links`, { format: "ndjson" });
    for (const link of [url, early["url"]]) {
      const answer = await askApp(new Request(link), own);
      expect(answer.headers.get("x-nightjar-erasures")).toBe("1");
      const text = await answer.text();
      expect(text).toContain("AC/DC");
      expect(text).not.toContain("Björk");
    }
    const { to } = (await ask.json("/v1/databases/erased/timeline"))["window"];
    const moment = await ask.json("/v1/databases/erased/links", { at: to, format: "json" });
    expect(await textOf(moment["url"])).toContain("AC/DC");
    expect(await textOf(moment["url"])).not.toContain("Björk");
  });
});

/** Names of so many tables, each of so many characters. */
const numbered = (count: number, length: number): string[] =>
  Array.from({ length: count }, (_, at) => `t${String(at).padStart(length - 1, "0")}`);

describe("a link that would give nothing but an error", () => {
  it.each([
    [{ tables: ["nowhere"] }, "REQUEST_INVALID", /no table nowhere/],
    [{ tables: ["names"] }, "REQUEST_INVALID", /no table names/],
    [{ tables: ["nowhere"], format: "sql" }, "REQUEST_INVALID", /no table nowhere/],
    [{ format: "csv" }, "REQUEST_INVALID", /must name one table/],
    [{ format: "csv", tables: ["artists", "albums"] }, "REQUEST_INVALID", /must name one table/],
    [{ format: "parquet" }, "REQUEST_INVALID", /must name one table for parquet/],
    [{ format: "parquet", tables: ["artists"], blobs: "hex" }, "REQUEST_INVALID", /for csv/],
    [{ format: "db", tables: ["artists"] }, "REQUEST_INVALID", /a db is whole/],
    [{ format: "sql", where: { artists: "1" } }, "REQUEST_INVALID", /where/],
    [{ only: "schema" }, "REQUEST_INVALID", /given as sql/],
    [{ blobs: "hex" }, "REQUEST_INVALID", /for csv/],
    [{ tables: ["artists"], where: { albums: "1" } }, "REQUEST_INVALID", /albums/],
    [{ tables: [] }, "REQUEST_INVALID", /must name a table/],
    [{ tables: numbered(1001, 4) }, "REQUEST_INVALID", /at most 1000 tables/],
    [{ tables: numbered(200, 600) }, "REQUEST_INVALID", /at most 100000 bytes/],
    [{ where: { artists: "1) UNION SELECT 1 -- " } }, "QUERY_REFUSED", /artists/],
    [{ where: { artists: "nme = 1" } }, "QUERY_REFUSED", /no such column: nme/],
    [{ where: { artists: "id IN (SELECT id FROM albums)" } }, "QUERY_REFUSED", /artists/],
  ])("%j is refused", async (terms, code, words) => {
    const answer = await linkTo(terms, "shop", 400);
    expect(answer).toMatchObject({ code });
    expect(answer["detail"]).toMatch(words);
  });

  it("is refused for a dump, with what to do", async () => {
    for (const terms of [{}, { format: "sql", tables: ["artists"] }]) {
      const answer = await linkTo(terms, "dumped", 422);
      expect(answer).toMatchObject({ code: "FORMAT_UNAVAILABLE" });
      expect(answer["hint"]).toContain("nightjar pull");
    }
  });
});

describe("a link's choice", () => {
  it("belongs to the link: its holder cannot change it, and other choices have other tags", async () => {
    const where = { artists: "id = 1" };
    const one = (await linkTo({ tables: ["artists"], where }))["url"] as string;
    const two = (await linkTo({ tables: ["artists"] }))["url"] as string;
    const all = (await linkTo({}))["url"] as string;
    const get = (url: string) => askApp(new Request(url), context);
    for (const suffix of ["?tables=albums", "?where=1", "#albums", "?format=sql"])
      expect(await (await get(one + suffix)).text()).toBe(await (await get(one)).text());
    expect((await get(one.replace(/\.ndjson$/, ".sql"))).status).toBe(403);
    expect((await get(one.replace(/\.ndjson$/, ".ndjson.gz"))).status).toBe(403);
    expect((await get(one.replace(/\/d\/\w+/, /\/d\/\w+/.exec(two)![0]))).status).toBe(403);
    const tags: (string | null)[] = [];
    for (const url of [one, two, all]) {
      const answer = await get(url);
      await answer.text();
      tags.push(answer.headers.get("etag"));
    }
    expect(new Set(tags).size).toBe(3);
  });

  it("is listed, and told to the audit without its expressions", async () => {
    const where = { artists: "name = 'Björk'" };
    const { id, url } = await linkTo({ tables: ["artists"], where, order: "key" });
    await textOf(url);
    const { links } = await api.json("/v1/links?limit=200");
    const choice = { tables: ["artists"], where, order: "key" };
    expect(links.find((link: any) => link.id === id).choice).toEqual(choice);
    const { rows } = await api.json("/v1/audit?limit=20");
    const told = rows.filter(({ detail }: any) => JSON.stringify(detail).includes("whereHash"));
    expect(told.map(({ action }: any) => action)).toEqual(
      expect.arrayContaining(["link", "download"]),
    );
    expect(told[0].detail).toMatchObject({ tables: ["artists"], order: "key" });
    expect(JSON.stringify(rows)).not.toContain("Björk");
  });

  it("of a link of before has all of it", async () => {
    const { id, url } = await linkTo({});
    await env.DB.prepare("UPDATE links SET choice = NULL WHERE id = ?").bind(id).run();
    expect(rowsOf(await textOf(url))).toHaveLength(5);
  });
});

it("an export whose backup turns out to be damaged breaks off, and never ends", async () => {
  const { url } = await linkTo({}, "large");
  const whole = await textOf(url);
  expect(rowsOf(whole)).toHaveLength(4000);
  let broken = 0;
  for (let nth = 1; ; nth++) {
    await sharedBlocks.use(
      "all of it",
      async () => ({ length: 2 ** 30 }) as Uint8Array,
      () => undefined,
    );
    const { bucket, what } = lyingBucket("flips a byte that it returns", nth);
    const own = testContext(databases, { bucket });
    const answer = await askApp(new Request(url), own);
    const text = await answer.text().catch(() => undefined);
    if (answer.status === 200 && text === undefined) broken++;
    else if (answer.status === 200) expect(text, what()).toBe(whole);
    else expect(answer.status, what()).toBeGreaterThanOrEqual(500);
    if (what() === "") break;
    expect(nth).toBeLessThan(40);
  }
  expect(broken).toBeGreaterThan(3);
});
