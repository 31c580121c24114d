import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { zstdDecompress } from "../../../src/format/bytes/codec.ts";
import { apiOf } from "../../support/api.ts";
import { gather } from "../../../src/format/bytes/bytes.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { askFile } from "../../support/open-file.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { unpacked } from "../../support/seekable-file.ts";

const { BUCKET, DB } = env;
const PATH = "/v1/databases/shop";
const ROWS = "SELECT rowid || ' ' || quote(id) || ' ' || quote(pad) FROM items ORDER BY rowid";

let context: ReturnType<typeof testContext>;
let api: ReturnType<typeof apiOf>;
let backupId: string;
/** The content of the table after each pull, and the time when it was known. */
const history: { at: string; rows: string[] }[] = [];

/** Enter the shop's log a second time under another name, as if all of it had the same moment. */
async function tie(database: string): Promise<void> {
  for (const table of ["lineages", "segments"]) {
    const { results } = await DB.prepare(`SELECT * FROM ${table} WHERE database = 'shop'`).all();
    for (const row of results) {
      const lineage = `20261128T000000Z-tied00000000`;
      const other =
        table === "lineages"
          ? { ...row, id: lineage, database }
          : { ...row, key: `${database}/${String(row["key"])}`, lineage, database, at: 1_000 };
      const marks = Object.keys(other).map(() => "?");
      await DB.prepare(
        `INSERT INTO ${table} (${Object.keys(other).join()}) VALUES (${marks.join()})`,
      )
        .bind(...Object.values(other))
        .run();
    }
  }
}

async function pulled(database: PageDatabase): Promise<void> {
  const rows = await database.rows("items");
  await context.followers.pull("shop");
  // Nothing else writes: at the end of the window the table contained exactly that.
  const { window } = await api.json(`${PATH}/timeline`);
  history.push({ at: window.to, rows });
  await new Promise((resolve) => setTimeout(resolve, 20));
}

beforeAll(async () => {
  const database = await PageDatabase.create();
  await database.fill("items", 3000);
  context = testContext({ shop: database.config, dumped: { ...database.config, capture: "dump" } });
  api = apiOf(context);
  await backUp(context, manualRun("shop"));
  backupId = (await newestBackup(context.catalog, "shop"))!.id;
  await pulled(database);
  await database.exec("UPDATE items SET pad = 'two' WHERE id % 100 = 0");
  await pulled(database);
  await database.exec("DELETE FROM items WHERE id > 100");
  await pulled(database);
  await database.fill("items", 2000);
  await pulled(database);
});

async function download(path: string, body: object): Promise<Uint8Array> {
  const { url } = await api.json(path, body);
  return api.bytes(url);
}

describe("downloads of a snapshot", () => {
  it("give the file, the stored file and SQL that holds the same rows", async () => {
    const links = `/v1/backups/${backupId}/links`;
    const file = await download(links, { format: "db" });
    const stored = await download(links, { format: "db.zst" });
    expect(Buffer.compare(await unpacked(stored), file)).toBe(0);
    const [rows, check] = await askFile(file, ROWS, "PRAGMA integrity_check");
    expect(rows).toEqual(history[0]!.rows);
    expect(check).toEqual(["ok"]);

    const sql = Buffer.from(await download(links, { format: "sql" })).toString();
    expect(sql).toMatch(/^PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n/);
    expect(sql).toMatch(/COMMIT;\n$/);
    expect(gunzipSync(await download(links, { format: "sql.gz" })).toString()).toBe(sql);
    const zst = await download(links, { format: "sql.zst" });
    const unzipped = await gather(zstdDecompress(new Blob([zst]).stream()));
    expect(Buffer.from(unzipped).toString()).toBe(sql);
  });

  it("give SQL that a libSQL server loads, with what only libSQL can do", async () => {
    const source = await PageDatabase.create(`
      CREATE TABLE items (id INTEGER PRIMARY KEY, pad F32_BLOB(3));
      INSERT INTO items (pad) VALUES (vector('[1, 2, 3]')), (vector('[4, 5, 6]'));
      CREATE INDEX near ON items (libsql_vector_idx(pad));`);
    const other = testContext({ vectors: source.config });
    await backUp(other, manualRun("vectors"));
    const { id } = (await newestBackup(other.catalog, "vectors"))!;
    const links = apiOf(other);
    const sqlOf = async (path: string, body: object) => {
      const { url } = await links.json(path, body);
      expect(url).toMatch(/\.libsql\.sql(\.gz)?$/);
      return Buffer.from(await links.bytes(url));
    };

    const sql = await sqlOf(`/v1/backups/${id}/links`, { format: "libsql.sql" });
    const target = await PageDatabase.create(sql.toString());
    expect(await target.rows("items")).toEqual(await source.rows("items"));
    const near = "SELECT id FROM vector_top_k('near', '[4, 5, 6]', 1)";
    expect((await target.client.execute(near)).rows[0]![0]).toBe(2);
    const zipped = await sqlOf(`/v1/backups/${id}/links`, { format: "libsql.sql.gz" });
    expect(gunzipSync(zipped).toString()).toBe(sql.toString());
    await other.followers.pull("vectors");
    const { window } = await links.json("/v1/databases/vectors/timeline");
    const moment = { at: window.to, format: "libsql.sql" };
    expect((await sqlOf("/v1/databases/vectors/links", moment)).toString()).toBe(sql.toString());
  });

  it("are refused in a form that there is not", async () => {
    const answer = await api.json(`/v1/backups/${backupId}/links`, { format: "xlsx" }, 422);
    expect(answer["detail"]).toContain("db.zst, db, sql.gz");
  });
});

describe("a moment of the log", () => {
  it("is the database as it was, in every form", async () => {
    for (const { at, rows } of history) {
      const file = await download(`${PATH}/links`, { at, format: "db" });
      const [found, check] = await askFile(file, ROWS, "PRAGMA integrity_check");
      expect(found).toEqual(rows);
      expect(check).toEqual(["ok"]);
    }
    const { at } = history[1]!;
    const file = await download(`${PATH}/links`, { at, format: "db" });
    const zst = await download(`${PATH}/links`, { at, format: "db.zst" });
    expect(Buffer.compare(await unpacked(zst), file)).toBe(0);
    const sql = Buffer.from(await download(`${PATH}/links`, { at, format: "sql" })).toString();
    expect(sql).toContain("'two'");
    expect(sql).toMatch(/COMMIT;\n$/);
  });

  it("is never given as SQL out of a segment of which a byte is another", async () => {
    const database = await PageDatabase.create();
    await database.fill("items", 20);
    const flipped = testContext({ flipped: database.config });
    await backUp(flipped, manualRun("flipped"));
    await flipped.followers.pull("flipped");
    const { window } = await apiOf(flipped).json("/v1/databases/flipped/timeline");
    const asked = { at: window.to, format: "sql" };
    const link = await apiOf(flipped).json("/v1/databases/flipped/links", asked);
    const [segment] = (await BUCKET.list({ prefix: "log/flipped/" })).objects;
    const whole = new Uint8Array(await (await BUCKET.get(segment!.key))!.arrayBuffer());
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 60)) {
      const spoiled = whole.slice();
      spoiled[at]! ^= 1;
      await BUCKET.put(segment!.key, spoiled);
      const answer = await apiOf(flipped).call(link["url"]);
      expect(answer.status, `byte ${at}`).toBe(502);
      expect(await answer.json()).toMatchObject({ code: "OBJECT_CORRUPT" });
    }
    await BUCKET.put(segment!.key, whole);
    expect(Buffer.from(await apiOf(flipped).bytes(link["url"])).toString()).toMatch(/COMMIT;\n$/);
  });

  it("outside of the window is refused by naming the window", async () => {
    const { window } = await api.json(`${PATH}/timeline`);
    for (const at of ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00+02:00"]) {
      const answer = await api.json(`${PATH}/links`, { at, format: "db" }, 422);
      expect(answer).toMatchObject({ code: "MOMENT_UNAVAILABLE" });
      expect(answer["detail"]).toContain(window.from);
      expect(answer["detail"]).toContain(window.to);
    }
    expect(await api.json("/v1/databases/dumped/timeline", undefined, 422)).toMatchObject({
      code: "MOMENT_UNAVAILABLE",
    });
    for (const at of ["yesterday", "2026-11-20T14:03:00", "2026-02-31T00:00:00Z"])
      expect(await api.json(`${PATH}/links`, { at }, 400)).toMatchObject({
        code: "REQUEST_INVALID",
      });
  });

  it.each([
    ["of moments apart", "shop"],
    ["of one moment", "tied"],
  ])("is found in pages of the timeline, whatever their size: changes %s", async (_, name) => {
    if (name === "tied") await tie(name);
    const path = `/v1/databases/${name}`;
    const { changes } = await api.json(`${path}/timeline`);
    expect(changes).toHaveLength(4);
    for (const limit of [1, 2, 3, 4, 5]) {
      const found: unknown[] = [];
      for (let cursor = ""; ;) {
        const page = await api.json(`${path}/timeline?limit=${limit}${cursor}`);
        expect(page.changes.length).toBeLessThanOrEqual(limit);
        found.push(...page.changes);
        expect(found.length).toBeLessThanOrEqual(changes.length);
        if (page.next === null) break;
        cursor = `&cursor=${page.next}`;
      }
      expect(found).toEqual(changes);
    }
    for (const wrong of ["limit=0", "limit=1001", "limit=x", "cursor=2026", "before=2026"])
      await api.json(`${path}/timeline?${wrong}`, undefined, 400);
  });

  it("is in the timeline with what changed", async () => {
    const { window, changes } = await api.json(`${PATH}/timeline`);
    expect(changes.map((change: any) => [change.txid, change.commits])).toEqual([
      [4, 1],
      [3, 1],
      [2, 1],
      [1, 1],
    ]);
    expect(changes.at(-1)).toMatchObject({ whole: true, commits: 1 });
    expect(Date.parse(window.from)).toBe(Date.parse(changes.at(-1).at));
    expect(Date.parse(window.to)).toBeGreaterThanOrEqual(Date.parse(changes[0].at));
  });
});

describe("a query", () => {
  it("is answered from the stored snapshot, and from any moment", async () => {
    const sql = "SELECT count(*), min(id), max(id) FROM items WHERE id > ?";
    const answer = await api.json(`/v1/backups/${backupId}/query`, { sql, args: [5] }, 200);
    expect(answer).toMatchObject({
      columns: ["count(*)", "min(id)", "max(id)"],
      rows: [[2995, 6, 3000]],
    });
    const counts = [];
    for (const { at } of history)
      counts.push(
        (await api.json(`${PATH}/query`, { sql: "SELECT count(*) FROM items", at }, 200))[
          "rows"
        ][0][0],
      );
    expect(counts).toEqual(history.map(({ rows }) => rows.length));
  });

  it("is refused when it does more than read, and told SQLite's own words when it fails", async () => {
    const ask = (sql: string, status: number) =>
      api.json(`/v1/backups/${backupId}/query`, { sql }, status);
    for (const sql of [
      "DELETE FROM items",
      "ATTACH 'x' AS y",
      "SELECT 1; SELECT 2",
      "PRAGMA journal_mode = WAL",
    ])
      expect(await ask(sql, 400)).toMatchObject({ code: "QUERY_REFUSED" });
    expect(await ask("SELECT nowhere FROM items", 422)).toMatchObject({
      code: "QUERY_FAILED",
      detail: "no such column: nowhere",
    });
  });
});
