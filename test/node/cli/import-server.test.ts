import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "@libsql/client/web";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { startSqld } from "../../../scripts/lib/sqld.ts";
import { type FolderOptions, writeFolder } from "../../../src/cli/export/write-folder.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { described, UNREADABLE } from "../../support/described.ts";
import { startExports } from "../../support/exported.ts";
import { FIDELITY } from "../../support/fidelity.ts";
import { COMMAND, runCli } from "../../support/run-cli.ts";
import { compiledWasm } from "../../support/wasm.ts";

let dir: string;
let server: ServerProcess;
let exports: Awaited<ReturnType<typeof startExports>>;
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
  exports = await startExports();
});
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "nightjar-into-server-"));
  mkdirSync(join(dir, "tmp"));
  server = await startSqld(join(dir, "sqld"));
});
afterEach(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});
afterAll(() => exports.stop());

/** Make a file of stock SQLite and a folder of its export. */
async function exported(
  statements: readonly string[],
  options: Partial<FolderOptions> = {},
): Promise<string> {
  const file = join(dir, "source.db");
  rmSync(file, { force: true });
  const db = new DatabaseSync(file, { defensive: false });
  for (const sql of statements) db.exec(sql);
  db.close();
  const image = await openImageWith(wasm, pagesOf(readFileSync(file)));
  const whole: FolderOptions = {
    ...{ rows: "ndjson", choice: {}, overwrite: true, quiet: true, ...options },
  };
  await writeFolder(exports.subjectOf(image), join(dir, "shop"), whole);
  image.close();
  return file;
}

const ENV = () => ({ TMPDIR: join(dir, "tmp"), TARGET_TOKEN: "secret-token" });
const nightjar = (args: readonly string[], to = server.url) =>
  runCli(["import", "shop/", "--to", to, ...args], dir, ENV());
const client = () => createClient({ url: server.url });
const ask = async (sql: string) =>
  (await client().execute(sql)).rows.map((row) => Object.values(row)[0]);
const names = () =>
  ask("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name");

/** Return the server's database as a file, once the server has ended. */
async function fileOfServer(): Promise<string> {
  await server.stop();
  const copy = join(dir, "copy");
  cpSync(join(dir, "sqld/dbs/default"), copy, { recursive: true });
  return join(copy, "data");
}

const SHOP = [
  "CREATE TABLE artists(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
  "INSERT INTO artists VALUES (1, 'a'), (2, 'b'), (9, 'gone')",
  "DELETE FROM artists WHERE id = 9",
  "CREATE TABLE albums(v)",
  "INSERT INTO albums VALUES (1.0), (X'00'), ('x'), (NULL)",
  "CREATE INDEX by_name ON artists(name)",
  "CREATE VIEW named AS SELECT name FROM artists",
  "CREATE TRIGGER on_artists AFTER INSERT ON artists BEGIN INSERT INTO albums VALUES (new.id); END",
];

describe("an import into a server", () => {
  it("is the same as what was exported: types, bytes, schema", async () => {
    const file = await exported(FIDELITY);
    const { code, out, err } = await nightjar(["--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      ...{ database: "shop", state: "empty", only: null, drops: [] },
      verified: { hashed: true },
    });
    const copy = await fileOfServer();
    const lines = described(file).map((line) => /^ {2}(.*?): /s.exec(line)?.[1] ?? "");
    const without = new Set(lines.filter((line) => UNREADABLE.test(line)));
    expect(described(copy, without)).toEqual(described(file, without));
    expect(readdirSync(join(dir, "tmp"))).toEqual([]);
  });

  it("refuses a target that is in use, and leaves it as it is; a dry run changes nothing", async () => {
    await exported(SHOP);
    const dry = await nightjar(["--dry-run"]);
    expect(dry.code).toBe(0);
    expect(dry.out).toMatch(/which is empty:\n {2}artists: 2 rows\n {2}albums: 4 rows\n/);
    expect(await names()).toEqual([]);
    await client().execute("CREATE TABLE mine(a)");
    for (const args of [[], ["--dry-run"]]) {
      const { code, err } = await nightjar(args);
      expect([code, err]).toEqual([3, expect.stringMatching(/not empty: it has table mine/)]);
    }
    expect(await names()).toEqual(["mine"]);
  });

  it("takes some tables, with their indexes and triggers", async () => {
    await exported(SHOP);
    const missing = await nightjar(["--tables", "artists,nothing"]);
    expect([missing.code, missing.err]).toEqual([2, expect.stringMatching(/no table nothing/)]);
    expect((await nightjar(["--tables", "ARTISTS"])).code).toBe(0);
    expect(await names()).toEqual(["artists", "by_name", "on_artists"]);
    expect(await ask("SELECT seq FROM sqlite_sequence")).toEqual([9]);
  });

  it("takes rows alone into empty tables, and a schema alone", async () => {
    await exported(SHOP.slice(0, -1), { choice: { only: "schema" } });
    const schema = await nightjar([]);
    expect(schema.code).toBe(0);
    expect(schema.err).toMatch(/Note: the export has a schema and no rows\.\n$/);
    expect(await names()).toEqual(["albums", "artists", "by_name", "named"]);
    await client().executeMultiple(
      "CREATE TABLE other(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO other VALUES (7)",
    );

    const file = await exported(SHOP, { choice: { only: "data" } });
    const data = await nightjar(["--json"]);
    expect([data.code, data.err]).toEqual([0, ""]);
    expect(await ask("SELECT seq FROM sqlite_sequence ORDER BY name")).toEqual([9, 7]);
    const again = await nightjar([]);
    expect([again.code, again.err]).toEqual([3, expect.stringMatching(/have rows: artists/)]);
    const rows = (path: string) => described(path).filter((line) => line.startsWith("  a"));
    expect(rows(await fileOfServer())).toEqual(rows(file));
  });

  it("refuses rows alone where a table is missing, has a trigger or would change a value", async () => {
    await exported(["CREATE TABLE t(a)", "INSERT INTO t VALUES (1), ('1')"], {
      choice: { only: "data" },
    });
    expect((await nightjar([])).err).toMatch(/has no table t/);
    await client().execute("CREATE TABLE t(a INTEGER)");
    expect((await nightjar([])).err).toMatch(/row 2 of t has another value in a/);
    await client().executeMultiple(
      "DROP TABLE t; CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; END",
    );
    expect((await nightjar([])).err).toMatch(/Triggers of the target/);
    expect(await ask("SELECT count(*) FROM t")).toEqual([0]);
  });

  it("makes what only libSQL has", async () => {
    await exported(["CREATE TABLE items(id INTEGER PRIMARY KEY, e F32_BLOB(3))"]);
    const path = join(dir, "shop/schema.sql");
    const add = [
      "-- needs libSQL: CREATE INDEX near\n-- ON items (libsql_vector_idx(e));\n",
      "-- needs libSQL: CREATE TABLE random(a) RANDOM ROWID;\nCREATE TABLE random(a) ;\n",
    ].join("");
    rewrite(path, (text) => text.replace("COMMIT;", `${add}COMMIT;`));
    const { code, err } = await nightjar(["--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(await ask("SELECT sql FROM sqlite_schema WHERE name = 'random'")).toEqual([
      "CREATE TABLE random(a) RANDOM ROWID",
    ]);
    await client().execute("INSERT INTO items(e) VALUES (vector('[1,2,3]'))");
    expect(await ask("SELECT id FROM vector_top_k('near', '[1,2,3]', 1)")).toEqual([1]);
    rewrite(path, (text) => text.replace("-- ON items", "-- ON items(id); DELETE FROM items; --"));
    const other = await nightjar([]);
    expect([other.code, other.err]).toEqual([3, expect.stringMatching(/not empty/)]);
    await client().executeMultiple("DROP TABLE random; DROP TABLE items;");
    expect((await nightjar([])).err).toMatch(/another statement/);
    expect(await names()).not.toContain("items");
  });

  it("sends nothing from a folder that was changed, and no token in clear", async () => {
    await exported(SHOP);
    const clear = await nightjar(["--token-env", "TARGET_TOKEN"], "http://203.0.113.1:8080");
    expect([clear.code, clear.err]).toEqual([2, expect.stringMatching(/without TLS/)]);
    const unset = await nightjar(["--token-env", "NOT_SET"]);
    expect([unset.code, unset.err]).toEqual([2, expect.stringMatching(/NOT_SET is not set/)]);
    for (const args of [["--overwrite"], ["--namespace", "a/b"]])
      expect((await nightjar(args)).code, args.join()).toBe(2);
    writeFileSync(join(dir, "shop/artists.ndjson"), '{"id":1,"name":"changed"}\n');
    const { code, err } = await nightjar([]);
    expect([code, err]).toEqual([1, expect.stringMatching(/not what was exported/)]);
    expect(await names()).toEqual([]);
    expect(readdirSync(join(dir, "tmp"))).toEqual([]);
  });

  it("refuses an export of nothing", async () => {
    await exported(["CREATE TABLE t(a)", "DROP TABLE t"]);
    const { code, err } = await nightjar([]);
    expect([code, err]).toEqual([2, expect.stringMatching(/is of an empty database/)]);
  });

  it("refuses what has a table of the mark's name", async () => {
    await exported([
      "CREATE TABLE _nightjar_restore(a)",
      "INSERT INTO _nightjar_restore VALUES (1)",
    ]);
    const { code, err } = await nightjar([]);
    expect([code, err]).toEqual([3, expect.stringMatching(/has a table _nightjar_restore/)]);
    expect(await names()).toEqual([]);
  });

  it("takes rows anew after it was killed half-way, and leaves all else in the target", async () => {
    const file = await exported(MANY, { choice: { only: "data" } });
    await client().executeMultiple(
      `${MANY[0]}; CREATE TABLE other(a); INSERT INTO other VALUES (1); CREATE INDEX by_v ON many(v)`,
    );
    expect(await killAt(7)).toBe("SIGKILL");
    const half = Number((await ask("SELECT count(*) FROM many"))[0]);
    expect([half > 0, half < 12_000]).toEqual([true, true]);
    const { code, out, err } = await nightjar(["--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({ state: "incomplete", drops: ["rows of many"] });
    expect(await ask("SELECT count(*) FROM other")).toEqual([1]);
    expect(await names()).toEqual(["by_v", "many", "other"]);
    const rows = (path: string) => described(path).filter((line) => line.startsWith("  many"));
    expect(rows(await fileOfServer())).toEqual(rows(file));
  });

  it("starts anew after it was killed half-way", async () => {
    const file = await exported([...SHOP, ...MANY]);
    const killed = await killAt(6);
    expect(killed).toBe("SIGKILL");
    expect(await names()).toContain("_nightjar_restore");
    expect(await names()).toContain("many");
    const { code, out, err } = await nightjar(["--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      ...{ state: "incomplete", verified: { rows: 12_006 } },
      drops: expect.arrayContaining(["table many"]) as unknown,
    });
    expect(described(await fileOfServer())).toEqual(described(file));
  });
});

/** Rows of more than one request. */
const MANY = [
  "CREATE TABLE many(id INTEGER PRIMARY KEY, v)",
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO many SELECT i, hex(randomblob(400)) FROM n",
];

/** Change the schema of the export, and enter its hash. */
function rewrite(path: string, change: (text: string) => string): void {
  const text = change(readFileSync(path, "utf8"));
  writeFileSync(path, text);
  const list = join(dir, "shop/export.json");
  const sidecar = JSON.parse(readFileSync(list, "utf8")) as { schema: object };
  const sha256 = createHash("sha256").update(text).digest("hex");
  sidecar.schema = { ...sidecar.schema, bytes: Buffer.byteLength(text), sha256 };
  writeFileSync(list, JSON.stringify(sidecar));
}

/** Kill the import with SIGKILL at its nth request, which the server gets nevertheless. */
async function killAt(nth: number): Promise<string | null> {
  let left = nth;
  const proxy = createServer((request, response) => {
    void (async () => {
      const body: Buffer[] = [];
      for await (const piece of request) body.push(piece as Buffer);
      const answer = await fetch(server.url + request.url!, {
        method: request.method!,
        headers: { "content-type": request.headers["content-type"] ?? "" },
        body: Buffer.concat(body),
      });
      if (--left === 0) child.kill("SIGKILL");
      response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
    })().catch(() => response.destroy());
  });
  await new Promise<void>((listens) => proxy.listen(0, "127.0.0.1", listens));
  const { port } = proxy.address() as AddressInfo;
  const args = ["import", join(dir, "shop"), "--to", `http://127.0.0.1:${port}`];
  const child = spawn(COMMAND[0]!, [...COMMAND.slice(1), ...args], {
    env: { ...process.env, ...ENV() },
    stdio: "ignore",
  });
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  proxy.closeAllConnections();
  await new Promise((closed) => proxy.close(closed));
  return signal;
}
