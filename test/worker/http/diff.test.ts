import { env } from "cloudflare:workers";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { findBackup, newestBackup } from "../../../src/catalog/backups.ts";
import { type DiffLine, parseDiffLine } from "../../../src/model/diff-line.ts";
import { apiOf, askApp, ORIGIN } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { putRotted } from "../../support/rotted.ts";

const { BUCKET } = env;
const PATH = "/v1/databases/shop/diff";

let context: ReturnType<typeof testContext>;
let api: ReturnType<typeof apiOf>;
let database: PageDatabase;
/** Backups and moments of the shop, the oldest first. */
const backups: { backup: string }[] = [];
const moments: { at: string }[] = [];

async function backup(name = "shop"): Promise<{ backup: string }> {
  expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
  return { backup: (await newestBackup(context.catalog, name))!.id };
}

/** Pull what is new, and return the moment at which the log stands. */
async function pulled(): Promise<{ at: string }> {
  await context.followers.pull("shop");
  const { window } = await api.json("/v1/databases/shop/timeline");
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { at: window.to };
}

beforeAll(async () => {
  database = await PageDatabase.create(`
    CREATE TABLE notes (name TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID;
    INSERT INTO notes VALUES ('a', x'00ff'), ('b', NULL);`);
  await database.fill("items", 20_000);
  context = testContext({
    shop: database.config,
    other: database.config,
    dumped: { ...database.config, capture: "dump" },
  });
  api = apiOf(context);
  backups.push(await backup());
  moments.push(await pulled());
  await database.exec(`
    UPDATE items SET pad = 'two' WHERE id IN (50, 19000);
    DELETE FROM items WHERE id = 7000;
    INSERT INTO items VALUES (9007199254740993, 'far');
    UPDATE notes SET body = x'01' WHERE name = 'b';`);
  moments.push(await pulled());
  await database.exec(`
    CREATE INDEX by_pad ON items (pad);
    CREATE TABLE fresh (a);
    INSERT INTO fresh VALUES (-0.0), ('it''s');`);
  backups.push(await backup());
  moments.push(await pulled());
}, 60_000);

const ask = (from: object, to: object, more: object = {}) =>
  api.json(PATH, { from, to, ...more }, 200);

async function linesOf(from: object, to: object, more: object = {}): Promise<DiffLine[]> {
  const answer = await api.call(PATH, { from, to, detail: "rows", ...more });
  expect(answer.headers.get("content-type")).toMatch(/^application\/x-ndjson/);
  return (await answer.text()).trimEnd().split("\n").map(parseDiffLine);
}

async function sqlOf(from: object, to: object): Promise<string> {
  const answer = await api.call(PATH, { from, to, detail: "sql" });
  expect(answer.status).toBe(200);
  return answer.text();
}

const CHANGED = [
  { name: "items", change: "changed", added: 1, removed: 1, changed: 2, matching: "rowid" },
  { name: "notes", change: "changed", added: 0, removed: 0, changed: 1, matching: "key" },
];

describe("a diff", () => {
  it("of two moments counts the rows that differ, and reads what changed between them", async () => {
    const found = await ask(moments[0]!, moments[1]!);
    expect(found).toMatchObject({ different: true, objects: [], compared: 2 });
    const byName = found["tables"].toSorted((a: { name: string }, b: { name: string }) =>
      a.name < b.name ? -1 : 1,
    );
    expect(byName).toMatchObject(CHANGED);
    expect(found["from"]).toMatchObject({ backup: null, lineage: found["to"].lineage });
    expect(found["pages"].of).toBeGreaterThan(4000);
    expect(found["pages"].read / found["pages"].of).toBeLessThan(0.03);
    const { different, tables } = await ask(moments[1]!, moments[1]!);
    expect([different, tables]).toEqual([false, []]);
  });

  it("of two backups shows every row that differs, and the objects of the schema", async () => {
    const lines = await linesOf(backups[0]!, backups[1]!);
    expect(lines[0]).toMatchObject({ from: backups[0], to: backups[1] });
    const rows = lines.flatMap((line) => ("row" in line ? [line.row] : []));
    const of = (name: string) => rows.filter(({ table }) => table === name);
    expect(of("items")).toMatchObject([
      { change: "changed", key: [["id", 50]], values: [["pad", expect.any(String), "two"]] },
      { change: "removed", key: [["id", 7000]] },
      { change: "changed", key: [["id", 19_000]] },
      {
        change: "added",
        key: [["id", { integer: "9007199254740993" }]],
        values: [
          ["id", { integer: "9007199254740993" }],
          ["pad", "far"],
        ],
      },
    ]);
    expect(of("notes")).toEqual([
      {
        ...{ table: "notes", change: "changed", key: [["name", "b"]] },
        values: [["body", null, { blob: "AQ==" }]],
      },
    ]);
    expect(of("fresh").map(({ values }) => values)).toEqual([
      [["a", { real: "-0.0" }]],
      [["a", "it's"]],
    ]);
    const done = lines.at(-1)!;
    expect(done).toMatchObject({ done: { different: true, compared: 3 } });
    const { objects } = (done as { done: { objects: object[] } }).done;
    expect(objects).toEqual([
      expect.objectContaining({ change: "added", type: "index", name: "by_pad" }),
      expect.objectContaining({ change: "added", type: "table", name: "fresh" }),
    ]);
  });

  it("of a backup and a moment, of chosen tables, in both directions", async () => {
    const there = await linesOf(backups[0]!, moments[2]!, { tables: ["NOTES"] });
    expect(there.map((line) => Object.keys(line)[0])).toEqual(["from", "row", "done"]);
    const back = await linesOf(moments[2]!, backups[0]!, { tables: ["notes"] });
    expect(back[1]).toMatchObject({ row: { values: [["body", { blob: "AQ==" }, null]] } });
    expect(await ask(moments[2]!, backups[1]!)).toMatchObject({ different: false });
  });

  it("in SQL makes the one of the other on a server", async () => {
    const sql = await sqlOf(backups[0]!, backups[1]!);
    expect(sql).toMatch(/^PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n[^]*COMMIT;\n$/);
    const { url } = await api.json(`/v1/backups/${backups[0]!.backup}/links`, {
      format: "libsql.sql",
    });
    const target = await PageDatabase.create(Buffer.from(await api.bytes(url)).toString());
    await target.exec(sql);
    expect(await target.rows("items")).toEqual(await database.rows("items"));
    const notes = "SELECT name, hex(body) AS body FROM notes";
    expect((await target.client.execute(notes)).rows).toEqual(
      (await database.client.execute(notes)).rows,
    );
  });

  it("reads all pages where the log does not say what changed", async () => {
    const rows = await env.DB.prepare("SELECT * FROM segments WHERE min_txid > 1").all();
    await env.DB.prepare("DELETE FROM segments WHERE min_txid > 1").run();
    const found = await ask(backups[0]!, backups[1]!);
    expect(found["tables"].find((one: { name: string }) => one.name === "items")).toMatchObject(
      CHANGED[0]!,
    );
    expect(found["pages"].read / found["pages"].of).toBeGreaterThan(0.6);
    for (const row of rows.results) {
      const names = Object.keys(row);
      await env.DB.prepare(
        `INSERT INTO segments (${names.join()}) VALUES (${names.map(() => "?").join()})`,
      )
        .bind(...Object.values(row))
        .run();
    }
  });

  it("has no row of the erasure list", async () => {
    const entry = { table: "items", column: "id", key: "50", who: "dpo" };
    const { id } = await api.json("/v1/databases/shop/erasures", entry);
    const erased = await linesOf(backups[0]!, moments[1]!, { tables: ["items"] });
    expect(JSON.stringify(erased)).not.toContain('["id",50]');
    expect(erased, JSON.stringify(erased)).toHaveLength(5);
    await api.call(`/v1/databases/shop/erasures/${id}`, { reason: "a test" }, "DELETE");
  });

  it("of two backups that were made from the log reads what changed between them", async () => {
    await database.exec("UPDATE items SET pad = 'three' WHERE id = 12000");
    const found = await ask(backups[1]!, await backup());
    expect(found["tables"]).toMatchObject([{ name: "items", changed: 1, added: 0, removed: 0 }]);
    expect(found["pages"].read / found["pages"].of).toBeLessThan(0.03);
  });
});

describe("a diff is refused", () => {
  const refused = async (path: string, from: object, to: object, more: object = {}) => {
    const { code, status } = (await (await api.call(path, { from, to, ...more })).json()) as {
      code: string;
      status: number;
    };
    return [status, code];
  };

  it("of what is not there, or cannot be read", async () => {
    const [known] = backups as [{ backup: string }];
    const other = await backup("other");
    const dump = await backup("dumped");
    const past = { at: "2001-01-01T00:00:00Z" };
    expect(await refused(PATH, known, other)).toEqual([404, "BACKUP_NOT_FOUND"]);
    expect(await refused(PATH, { backup: "latest" }, known)).toEqual([404, "BACKUP_NOT_FOUND"]);
    expect(await refused(PATH, past, known)).toEqual([422, "MOMENT_UNAVAILABLE"]);
    expect(await refused(PATH, known, known, { tables: ["none"] })).toEqual([
      404,
      "DIFF_TABLE_UNKNOWN",
    ]);
    expect(await refused("/v1/databases/dumped/diff", dump, dump)).toEqual([
      422,
      "FORMAT_UNAVAILABLE",
    ]);
    expect(await refused("/v1/databases/none/diff", known, known)).toEqual([
      404,
      "DATABASE_NOT_FOUND",
    ]);
    for (const wrong of [{}, { backup: 1 }, { at: "yesterday" }, { ...known, at: past.at }])
      expect(await refused(PATH, wrong, known)).toEqual([400, "REQUEST_INVALID"]);
    expect(context.memory.held).toBe(0);
  });

  it("of an encrypted backup", async () => {
    const identity = await generateIdentity();
    const recipients = [await identityToRecipient(identity)];
    const sealed = testContext({ sealed: { ...database.config, recipients } });
    expect(await backUp(sealed, manualRun("sealed"))).toMatchObject({ state: "done" });
    const { id } = (await newestBackup(sealed.catalog, "sealed"))!;
    const answer = await apiOf(sealed).call("/v1/databases/sealed/diff", {
      ...{ from: { backup: id }, to: { backup: id } },
    });
    expect(await answer.json()).toMatchObject({ code: "BACKUP_ENCRYPTED" });
  });

  it("to a token of another database, or without the scope", async () => {
    for (const [scopes, databases, status] of [
      [["download"], ["other"], 404],
      [["backup"], ["shop"], 403],
      [["download"], ["shop"], 200],
    ] as const) {
      const { token } = await api.json("/v1/tokens", {
        ...{ name: `t${status}`, scopes, databases, expiresIn: "1h" },
      });
      const answer = await askApp(
        new Request(ORIGIN + PATH, {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: JSON.stringify({ from: moments[0], to: moments[1] }),
        }),
        context,
      );
      expect(answer.status).toBe(status);
      await answer.text();
    }
  });
});

describe("a stored object that is cut", () => {
  it("ends the rows with an error, and SQL without its COMMIT", async () => {
    const [from, to] = backups as [{ backup: string }, { backup: string }];
    const { manifest } = (await findBackup(context.catalog, to.backup))!;
    const whole = new Uint8Array(await (await BUCKET.get(manifest.key))!.arrayBuffer());
    const rotten = whole.slice();
    // Behind the schema, and before the pages that follow.
    rotten.fill(0, Math.floor(whole.length / 2), Math.floor(whole.length / 2) + 4096);
    await env.DB.prepare("DELETE FROM segments WHERE min_txid > 1").run();
    await putRotted(manifest.key, rotten);
    const fresh = testContext({ shop: database.config });
    const asks = apiOf(fresh);
    const rows = await asks.call(PATH, { from, to, detail: "rows" });
    const lines = (await rows.text()).trimEnd().split("\n").map(parseDiffLine);
    expect(lines.at(-1)).toMatchObject({ error: { code: "OBJECT_CORRUPT" } });

    const sql = await asks.call(PATH, { from, to, detail: "sql" });
    let text = "";
    const reading = (async () => {
      for await (const part of sql.body!.pipeThrough(new TextDecoderStream())) text += part;
    })();
    await expect(reading).rejects.toThrow();
    expect(text).not.toContain("COMMIT;");
    await vi.waitFor(() => expect(fresh.memory.held).toBe(0));
    const { rows: acts } = await asks.json("/v1/audit?action=diff&outcome=failed");
    expect(acts[0]).toMatchObject({ detail: { code: "OBJECT_CORRUPT", to: to.backup } });
  });
});
