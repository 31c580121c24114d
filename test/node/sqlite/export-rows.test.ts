import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NightjarError } from "../../../src/errors/errors.ts";
import type { Choice, RowContent } from "../../../src/format/rows/choice.ts";
import { type Image, openImageWith } from "../../../src/sqlite/engine/image.ts";
import { planExport } from "../../../src/sqlite/rows/export-plan.ts";
import type { MaskPlan } from "../../../src/sqlite/masks/plan-masks.ts";
import { writeExport } from "../../../src/sqlite/rows/write-export.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { FIDELITY, SQLITE_ONLY } from "../../support/fidelity.ts";
import { compiledWasm } from "../../support/wasm.ts";

const dir = mkdtempSync(join(tmpdir(), "nightjar-rows-"));
let wasm: WebAssembly.Module;
beforeAll(async () => {
  wasm = await compiledWasm();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
async function imageOf(statements: readonly string[]): Promise<Image> {
  const file = join(dir, `${++files}.db`);
  const db = new DatabaseSync(file);
  for (const sql of statements) db.exec(sql);
  db.close();
  return openImageWith(wasm, pagesOf(readFileSync(file)));
}

async function exported(
  image: Image,
  content: RowContent,
  choice: Choice = {},
  masks?: MaskPlan,
): Promise<string> {
  const plan = await planExport(image, choice, masks);
  const tagged = choice.tables?.length !== 1;
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeExport(image, plan, content, { tagged, blobs: choice.blobs }))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const refusal = (image: Image, choice: Choice): Promise<string> =>
  planExport(image, choice).then(
    () => "nothing refused",
    (error: NightjarError) => `${error.code}: ${error.message}`,
  );

const SHOP = [
  "CREATE TABLE artists(id INTEGER PRIMARY KEY, name TEXT, score REAL, any, photo BLOB, twice AS (id * 2))",
  "INSERT INTO artists VALUES (1, 'AC/DC', 1.0, 1.0, X'00FF'), (2, 'a \"b\", c', NULL, 1, X''), (3, '', -0.5, '1', NULL)",
  "CREATE TABLE secrets(word TEXT)",
  "INSERT INTO secrets VALUES ('hush')",
];

describe("rows", () => {
  it("are objects, one a line, that keep each value's type", async () => {
    const image = await imageOf(SHOP);
    expect(await exported(image, "ndjson", { tables: ["ARTISTS"] })).toBe(
      [
        '{"id":1,"name":"AC/DC","score":1,"any":{"real":"1.0"},"photo":{"blob":"AP8="}}',
        '{"id":2,"name":"a \\"b\\", c","score":null,"any":1,"photo":{"blob":""}}',
        '{"id":3,"name":"","score":-0.5,"any":"1","photo":null}',
        "",
      ].join("\n"),
    );
    const all = await exported(image, "ndjson");
    expect(all.split("\n").map((line) => line && JSON.parse(line).table)).toEqual([
      ...["artists", "artists", "artists", "secrets", ""],
    ]);
    expect(JSON.parse(await exported(image, "json"))).toEqual({
      artists: [
        ...[{ id: 1, name: "AC/DC", score: 1, any: { real: "1.0" }, photo: { blob: "AP8=" } }],
        ...[{ id: 2, name: 'a "b", c', score: null, any: 1, photo: { blob: "" } }],
        ...[{ id: 3, name: "", score: -0.5, any: "1", photo: null }],
      ],
      secrets: [{ word: "hush" }],
    });
  });

  it("are CSV by RFC 4180, in which NULL, empty text, text and numbers differ", async () => {
    const image = await imageOf(SHOP);
    expect(await exported(image, "csv", { tables: ["artists"] })).toBe(
      [
        "id,name,score,any,photo",
        '1,"AC/DC",1,1.0,AP8=',
        '2,"a ""b"", c",,1,""',
        '3,"",-0.5,"1",',
        "",
      ].join("\r\n"),
    );
    expect(await exported(image, "csv", { tables: ["artists"], blobs: "hex" })).toContain(
      ",00ff\r",
    );
  });

  it("are those of what a user made, with the rowids of full-text indexes", async () => {
    const image = await imageOf([...FIDELITY, ...SQLITE_ONLY]);
    const { tables, leftOut } = await planExport(image, {});
    const names = tables.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["numbers", "docs", 'f"q', "keyed"]));
    expect(names.filter((name) => /^sqlite_|docs_|boxes_/.test(name))).toEqual([]);
    expect(leftOut).toEqual([
      { name: "article_index", why: "content elsewhere" },
      { name: "contentless", why: "no content" },
      // SQLite in the Worker has neither FTS4 nor R*Tree.
      { name: "old_docs", why: "not readable" },
      { name: "boxes", why: "not readable" },
    ]);
    expect(tables.find(({ name }) => name === "counted")?.sequence).toBe(100);
    expect(await exported(image, "ndjson", { tables: ["docs"] })).toBe(
      '{"rowid":3,"title":"Nightjars","body":"flying at dusk"}\n' +
        '{"rowid":9,"title":"it\'s","body":"quoted \\"text\\""}\n',
    );
    expect(await exported(image, "ndjson", { tables: ["computed"] })).toBe(
      '{"a":{"real":"1.0"},"d":"d"}\n{"a":"x","d":null}\n',
    );
    expect(await exported(image, "ndjson", { tables: ["empty_table"] })).toBe("");
    const document = JSON.parse(await exported(image, "json"));
    expect(document.empty_table).toEqual([]);
    expect(document.gaps.map(({ a }: { a: string }) => a)).toEqual([
      ...["minus", "zero", "five", "last"],
    ]);
  });

  it("come by rowid, or by the declared key without sorting anything", async () => {
    const image = await imageOf([
      "CREATE TABLE t(k TEXT COLLATE NOCASE, n, v, PRIMARY KEY (k DESC, n))",
      "INSERT INTO t VALUES ('a', 2, 1), ('C', 1, 2), ('b', NULL, 3), ('A', 1, 4), ('B', NULL, 5)",
      "CREATE INDEX covering ON t(v, n, k)",
    ]);
    const order = async (choice: Choice) =>
      (await exported(image, "ndjson", { tables: ["t"], ...choice }))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).v);
    expect(await order({})).toEqual([1, 2, 3, 4, 5]);
    expect(await order({ order: "key" })).toEqual([2, 3, 5, 4, 1]);
    expect(await order({ order: "key", where: { T: "v <> 3" } })).toEqual([2, 5, 4, 1]);
    // Not even where another index would find the rows sooner.
    for (const where of [{}, { t: "v = 4" }]) {
      const { tables } = await planExport(image, { order: "key", where });
      const { select } = tables[0]!;
      const steps = await image.rows(`EXPLAIN QUERY PLAN ${select}`, (row) => row.text(3));
      expect(steps.join()).not.toContain("TEMP B-TREE");
    }
  });

  it("can have other expressions in place of their columns", async () => {
    const image = await imageOf(SHOP);
    const masked = await exported(
      image,
      "csv",
      { tables: ["artists"] },
      {
        expression: (table, column) =>
          table === "artists" && column === "name" ? "upper(substr(name, 1, 1))" : undefined,
        ...{
          given: () => "rows",
          keepsKey: () => true,
          where: () => undefined,
          subset: undefined,
          masked: [],
          unused: [],
        },
      },
    );
    expect(masked.split("\r\n")[1]).toBe('1,"A",1,1.0,AP8=');
  });
});

describe("a where", () => {
  let image: Image;
  beforeAll(async () => {
    image = await imageOf([
      ...SHOP,
      "CREATE VIEW both AS SELECT word FROM secrets",
      "CREATE VIRTUAL TABLE docs USING fts5(body)",
      "INSERT INTO docs VALUES ('dusk and dawn'), ('noon')",
    ]);
  });
  const where = (expression: string) => ({ tables: ["artists"], where: { artists: expression } });

  it.each([
    ["id < 3 -- the first", 2],
    ["id = 1 /* one */", 1],
    ["name LIKE '%)%' OR name = ';' OR id IN (2, 3)", 2],
    ["twice >= 4 AND length(photo) IS NOT NULL", 1],
    ["\"id\" = 1 OR [name] = '' OR artists.id = 2", 3],
    ["score BETWEEN -1 AND 0 COLLATE BINARY", 1],
    ["CASE WHEN id = 3 THEN 1 END", 1],
  ])("%s chooses rows", async (expression, rows) => {
    const text = await exported(image, "ndjson", where(expression));
    expect(text.split("\n").length - 1).toBe(rows);
  });

  it("may search a full-text index", async () => {
    const choice = { tables: ["docs"], where: { docs: "docs MATCH 'dusk'" } };
    expect(await exported(image, "ndjson", choice)).toBe('{"rowid":1,"body":"dusk and dawn"}\n');
  });

  it.each([
    ["1) ; DROP TABLE artists; --", /not opened/],
    ["1; DROP TABLE artists", /semicolon/],
    ["1); SELECT word FROM secrets WHERE (1", /not opened/],
    ["1 UNION SELECT word, 1, 1, 1, 1 FROM secrets", /syntax error/],
    ["1) UNION SELECT word, 1, 1, 1, 1 FROM secrets WHERE (1", /not opened/],
    ["1) ORDER BY (random()", /not opened/],
    ["1) LIMIT (1", /not opened/],
    ["1) GROUP BY (name", /not opened/],
    ["1)", /not opened/],
    ["')' = 1) LIMIT (1", /not opened/],
    ["(1", /not closed/],
    ["1 /* all", /incomplete|syntax error/],
    ["'", /not closed/],
    ['"', /not closed/],
    ["[id", /not closed/],
    ["", /syntax error/],
    ["-- nothing", /syntax error/],
    ["id IN (SELECT 1)", /subquery/],
    ["EXISTS (SELECT 1 FROM secrets)", /subquery|reads secrets/],
    ["(SELECT count(*) FROM secrets) > 0", /subquery|reads secrets/],
    ["(SELECT max(id) FROM artists) = id", /subquery/],
    ["id IN (VALUES (1), (2))", /subquery/],
    ["id IN secrets", /subquery|secrets/],
    ["id IN both", /subquery|secrets|both/],
    ["id IN pragma_table_info", /subquery|pragma/],
    ["word = 'hush'", /no such column/],
    ["secrets.word = 'hush'", /no such column/],
    ["nme = 'x'", /no such column/],
    ['"nme" = "x"', /no such column/],
    ["count(*) > 1", /misuse of aggregate/],
    ["row_number() OVER () = 1", /misuse of window function/],
    ["load_extension('x')", /may not be called|no such function/],
    ["id = ?", /parameter/],
    ["id = :x", /parameter/],
    ["1\u0000 garbage", /NUL/],
    ["RAISE(ABORT, 'x')", /RAISE/],
    [`id IN (${"1,".repeat(6000)}1)`, /more than 10000 characters/],
    [`${"abs(".repeat(300)}1${")".repeat(300)}`, /256 functions|nested|deep|overflow/],
  ])("%s is refused", async (expression, words) => {
    const answer = await refusal(image, where(expression));
    expect(answer).toMatch(words);
    expect(answer).toMatch(/^QUERY_REFUSED: The `where` of artists is refused/);
  });

  it("and tables are those that are exported", async () => {
    expect(await refusal(image, { tables: ["nowhere"] })).toMatch(/REQUEST_INVALID: .*nowhere/);
    expect(await refusal(image, { tables: ["both"] })).toMatch(/REQUEST_INVALID: .*both/);
    expect(await refusal(image, { tables: ["docs_content"] })).toMatch(/REQUEST_INVALID/);
    expect(await refusal(image, { tables: ["sqlite_schema"] })).toMatch(/REQUEST_INVALID/);
    expect(await refusal(image, { tables: ["artists"], where: { secrets: "1" } })).toMatch(
      /REQUEST_INVALID: .*secrets/,
    );
  });
});
