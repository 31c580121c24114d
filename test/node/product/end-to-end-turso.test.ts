import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerProcess } from "../../../scripts/lib/server-process.ts";
import { Product } from "../../support/product.ts";
import { startTursodb } from "../../support/tursodb.ts";

/** A database that only Turso's engine opens, as its users see it: the command line and `tursodb`. */
let product: Product;
let source: ServerProcess;
let taken: string;
const FLAGS = ["--experimental-index-method"];
const FOUND = "SELECT id, body FROM docs WHERE body MATCH 'fox' ORDER BY id";
const NAMED = "words (index method fts)";

/** Run statements in a server, and return the rows of the last one. */
async function exec({ url }: ServerProcess, ...statements: string[]): Promise<unknown[]> {
  const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
  const answer = await fetch(`${url}/v2/pipeline`, {
    method: "POST",
    body: JSON.stringify({ requests }),
  });
  const { results } = (await answer.json()) as {
    results: { response?: { result: { rows: { value: unknown }[][] } }; error?: unknown }[];
  };
  for (const { error } of results) if (error !== undefined) throw new Error(JSON.stringify(error));
  return results.at(-1)!.response!.result.rows.map((row) => row.map(({ value }) => value));
}

/** Return what tursodb finds in a file. */
async function foundIn(file: string): Promise<unknown[]> {
  const server = await startTursodb(file, FLAGS);
  try {
    return await exec(server, FOUND);
  } finally {
    await server.stop();
  }
}

const inDir = (file: string) => join(product.dir, file);

/** Expect the words about what SQLite cannot do, and that it cannot. */
function expectForeign(words: string, file: string): void {
  expect(words).toContain(NAMED);
  expect(words).toMatch(/SQLite does not: it has|sqlite3 cannot open the file, tursodb can/);
  const database = new DatabaseSync(inDir(file), { readOnly: true });
  expect(() => database.prepare("SELECT * FROM docs")).toThrow(/malformed database schema/);
  database.close();
}

beforeAll(async () => {
  product = await Product.create();
  source = await startTursodb(inDir("source.db"), FLAGS);
  product.stopAtEnd(() => source.stop());
  await exec(
    source,
    "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT)",
    "CREATE INDEX words ON docs USING fts (body)",
    "INSERT INTO docs(body) VALUES ('a quick fox'), ('no such animal'), ('another fox')",
  );
  await product.start({ docs: { url: source.url } });
  const { code, out, err } = await product.nightjar("backup", "docs");
  expect({ code, err }, out).toMatchObject({ code: 0 });
  taken = (await product.backups("docs"))[0]!.snapshot!.committedAt;
  await exec(source, "INSERT INTO docs(body) VALUES ('a later fox')");
  expect((await product.nightjar("backup", "docs")).code).toBe(0);
});
afterAll(() => product.stop());

describe("a database that only Turso's engine opens", () => {
  it("is pulled with a warning", async () => {
    const { code, err } = await product.nightjar("pull", "docs", "-o", "now.db");
    expect(code, err).toBe(0);
    expectForeign(err, "now.db");
    expect(await foundIn(inDir("now.db"))).toEqual(await exec(source, FOUND));
  });

  it("is pulled as it was, with a note", async () => {
    const { code, err } = await product.nightjar("pull", "docs", "--at", taken, "-o", "then.db");
    expect(code, err).toBe(0);
    expect(err).toMatch(/sqlite3 cannot open the file, tursodb can/);
    expectForeign(err, "then.db");
    expect(await foundIn(inDir("then.db"))).toEqual((await exec(source, FOUND)).slice(0, 2));
  });

  it("is restored to a file, and says what was not checked", async () => {
    const { code, out, err } = await product.nightjar(
      "restore",
      "docs",
      "--to",
      "a.db",
      "--verify",
    );
    expect(code, err).toBe(0);
    expect(out).toMatch(/Not checked by SQLite/);
    expect(err).toMatch(/pages, indexes and rows were not checked/);
    expectForeign(err, "a.db");
    const known = await readFile(inDir("a.db"));
    expect(await foundIn(inDir("a.db"))).toEqual(await exec(source, FOUND));
    const json = await product.nightjar("restore", "docs", "--to", "b.db", "--json");
    expect(JSON.parse(json.out)).toMatchObject({ integrity: "not checked", rows: null });
    expect(Buffer.compare(await readFile(inDir("b.db")), known)).toBe(0);
  });

  it("is refused with its features where SQLite would have to read it", async () => {
    for (const args of [
      ["query", "docs", "SELECT 1"],
      ["pull", "docs", "--format", "sql"],
      ["pull", "docs", "--at", taken, "--format", "sql"],
      ["restore", "docs", "--to", "c.db", "--tables", "docs"],
      ["restore", "docs", "--to", "http://127.0.0.1:9"],
      ["export", "docs", "-o", "rows/"],
      ["diff", "docs", taken, "latest"],
    ]) {
      const { code, err } = await product.nightjar(...args);
      expect({ args, code: code === 0 ? 0 : 1 }).toEqual({ args, code: 1 });
      expect(err, args.join(" ")).toContain(NAMED);
      expect(err, args.join(" ")).toContain("`db` or `db.zst`");
    }
  });

  it("is verified, and its drill is unproven", async () => {
    expect((await product.nightjar("verify", "docs")).code).toBe(0);
    const drill = await product.nightjar("drill", "docs");
    expect(drill.out + drill.err).toContain(NAMED);
    expect(drill.out + drill.err).toMatch(/unproven/);
    const { out } = await product.nightjar("status");
    expect(out).toMatch(/docs.*fresh/);
  });
});
