import { createClient } from "@libsql/client/http";
import { afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { NightjarError } from "../../../src/errors/errors.ts";
import type { PageReader } from "../../../src/format/pages/page.ts";
import type { Image } from "../../../src/sqlite/engine/image.ts";
import { openImage } from "../../../src/sqlite/engine/open.ts";
import { DEFAULT_LIMITS, runQuery, type QueryLimits } from "../../../src/sqlite/query.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";

let shop: Uint8Array;
let fidelity: Uint8Array;
beforeAll(async () => {
  shop = await databaseBytes(createClient({ url: inject("shop") }));
  fidelity = await databaseBytes(createClient({ url: inject("fidelity") }));
});

const images: Image[] = [];
async function open(pages: PageReader): Promise<Image> {
  const image = await openImage(pages);
  images.push(image);
  return image;
}
afterEach(() => {
  for (const image of images.splice(0)) image.close();
});

async function ask(
  image: Image,
  sql: string,
  args: unknown[] = [],
  limits: Partial<QueryLimits> = {},
) {
  return runQuery(image, { sql, args }, { ...DEFAULT_LIMITS, ...limits });
}
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => expect.fail("it was answered"),
    (error: unknown) => error as NightjarError,
  );

describe("a query", () => {
  it("is answered from the pages of a database in WAL mode", async () => {
    expect([shop[18], shop[19]]).toEqual([2, 2]);
    const image = await open(pagesOf(shop));
    const answer = await ask(
      image,
      "SELECT c.name, count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer WHERE c.id <= ? GROUP BY c.id ORDER BY c.id LIMIT 2",
      [20],
    );
    expect(answer.columns).toEqual(["name", "n"]);
    expect(answer.rows).toHaveLength(2);
    expect(answer.truncated).toBe(false);
    expect(answer.pages).toBeGreaterThan(0);
    const whole = await ask(image, "PRAGMA integrity_check");
    expect(whole.rows).toEqual([["ok"]]);
  });

  it("gives and takes every value without loss", async () => {
    const image = await open(pagesOf(shop));
    const values = [
      null,
      0,
      -1.5,
      9007199254740991,
      { integer: "9223372036854775807" },
      { integer: "-9223372036854775808" },
      { real: "Infinity" },
      { real: "-Infinity" },
      { real: "-0.0" },
      1e300,
      5e-324,
      "",
      "it's 🌙\u0000 \uFEFF",
      { text: "/w==" },
      { blob: "" },
      { blob: "AP8=" },
    ];
    const { rows } = await ask(image, `SELECT ${values.map(() => "?").join()}`, values);
    expect(rows).toEqual([values]);
    const types = await ask(image, "SELECT typeof(?), typeof(?), typeof(?), typeof(?)", [
      1,
      { real: "1.0" },
      1.5,
      { text: "/w==" },
    ]);
    expect(types.rows).toEqual([["integer", "real", "real", "text"]]);
    for (const wrong of [
      true,
      [],
      {},
      { integer: "x" },
      { integer: "9223372036854775808" },
      { blob: "?" },
      { real: "" },
      { real: "1", integer: "1" },
    ])
      expect((await failure(ask(image, "SELECT ?", [wrong]))).code).toBe("QUERY_REFUSED");
  });

  it.each([
    "ATTACH 'x' AS y",
    "DETACH main",
    "INSERT INTO reviews VALUES (1, 2, 3, 4)",
    "UPDATE orders SET note = 1",
    "DELETE FROM orders",
    "WITH x AS (SELECT 1) DELETE FROM orders",
    "EXPLAIN DELETE FROM orders",
    "DROP TABLE orders",
    "CREATE TABLE x(a)",
    "CREATE TEMP TABLE x(a)",
    "CREATE TEMP VIEW x AS SELECT 1",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "PRAGMA user_version = 3",
    "PRAGMA encoding = 'UTF-16le'",
    "PRAGMA temp_store_directory = '/'",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA wal_checkpoint",
    "PRAGMA optimize",
    "SELECT * FROM pragma_journal_mode",
    "PRAGMA table_list",
    "SELECT * FROM pragma_table_list('orders')",
    "SELECT load_extension('x')",
    "SELECT * FROM orders WHERE load_extension('x')",
    "SELECT sqlite_log(1, 'x')",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT a",
    "VACUUM",
    "VACUUM INTO 'x'",
    "ANALYZE",
    "REINDEX",
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; nonsense",
    "",
    " -- nothing",
    "SELECT 1\u0000; DELETE FROM orders",
    "SELECT ?",
    `SELECT '${"x".repeat(100_000)}'`,
  ])("is refused: %s", async (sql) => {
    const image = await open(pagesOf(shop));
    expect(await failure(ask(image, sql))).toMatchObject({
      name: "NightjarError",
      code: "QUERY_REFUSED",
    });
    expect((await ask(image, "SELECT count(*) FROM orders")).rows).toEqual([[14_000]]);
  });

  it.each([
    "VALUES (1), (2)",
    "WITH x AS (SELECT 1) SELECT * FROM x",
    "EXPLAIN SELECT * FROM orders",
    "EXPLAIN QUERY PLAN SELECT * FROM orders",
    "SELECT 1; -- and a comment",
    "PRAGMA table_info(orders)",
    "PRAGMA index_list(orders)",
    "PRAGMA user_version",
    "PRAGMA schema_version",
    "PRAGMA foreign_key_check",
    "PRAGMA quick_check",
    "SELECT * FROM pragma_table_info('orders')",
    "SELECT * FROM sqlite_schema",
    "SELECT * FROM bestsellers LIMIT 1",
  ])("is allowed: %s", async (sql) => {
    const image = await open(pagesOf(shop));
    await ask(image, sql);
  });

  it("may search a full-text index", async () => {
    const image = await open(pagesOf(fidelity));
    const search = "SELECT rowid, highlight(docs, 1, '<', '>') FROM docs WHERE docs MATCH ?";
    expect((await ask(image, search, ["fly"])).rows).toEqual([[3, "<flying> at dusk"]]);
  });

  it("that is wrong gets SQLite's own words", async () => {
    const image = await open(pagesOf(shop));
    expect(await failure(ask(image, "SELEC 1"))).toMatchObject({
      code: "QUERY_FAILED",
      message: 'near "SELEC": syntax error',
    });
    expect(await failure(ask(image, "SELECT * FROM nope"))).toMatchObject({
      code: "QUERY_FAILED",
      message: "no such table: nope",
    });
    expect(await failure(ask(image, "SELECT json('{')"))).toMatchObject({
      code: "QUERY_FAILED",
      message: "malformed JSON",
    });
  });

  it("nested too deeply fails, and takes no more than its image with it", async () => {
    const image = await open(pagesOf(shop));
    const other = await open(pagesOf(shop));
    const error = await failure(ask(image, `SELECT ${"1+".repeat(45_000)}1`));
    expect(error.code).toMatch(/^QUERY_(FAILED|LIMIT)$/);
    expect((await ask(other, "SELECT 1")).rows).toEqual([[1]]);
  });
});

describe("a limit stops", () => {
  const ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) ";
  it.each([
    ["steps", `${ENDLESS} SELECT count(*) FROM c`, { steps: 2_000_000 }, /steps/],
    ["rows", `${ENDLESS} SELECT x FROM c`, { rows: 100 }, /100 rows/],
    ["bytes", `${ENDLESS} SELECT zeroblob(1000) FROM c`, { bytes: 100_000 }, /100000 bytes/],
    ["a long value", "SELECT length(hex(zeroblob(100000000)))", {}, /value of more than/],
    [
      "a long value, built up",
      "SELECT length(hex(zeroblob(500000)) || hex(zeroblob(500000)))",
      {},
      /value of/,
    ],
    ["calls of functions", `SELECT ${"abs(".repeat(300)}1${")".repeat(300)}`, {}, /256 calls/],
    [
      "memory, bit by bit",
      `${ENDLESS} SELECT x FROM c ORDER BY hex(randomblob(1000))`,
      {},
      /memory/,
    ],
  ])("an endless query: %s", async (_, sql, limits, words) => {
    const image = await open(pagesOf(shop));
    expect(await failure(ask(image, sql, [], limits))).toMatchObject({
      code: "QUERY_LIMIT",
      message: expect.stringMatching(words) as string,
    });
    expect((await ask(image, "SELECT count(*) FROM orders")).rows).toEqual([[14_000]]);
  });

  it("an endless query: time", async () => {
    const image = await open(pagesOf(shop));
    let clock = 0;
    const asked = runQuery(
      image,
      { sql: `${ENDLESS} SELECT count(*) FROM c` },
      { ...DEFAULT_LIMITS, ms: 500 },
      () => clock++,
    );
    expect(await failure(asked)).toMatchObject({
      code: "QUERY_LIMIT",
      message: expect.stringContaining("500 ms") as string,
    });
  });
});

describe("the pages of an image", () => {
  it("that cannot be read give the reader's own error, and the image lives on", async () => {
    const pages = pagesOf(shop);
    const lost = new NightjarError("OBJECT_MISSING", "The chunk is gone.");
    let failing = false;
    const image = await open({
      ...pages,
      usePage: async (pgno, use) => {
        if (failing && pgno > 40) throw lost;
        return pages.usePage(pgno, use);
      },
    });
    failing = true;
    expect(await failure(ask(image, "SELECT sum(length(bytes)) FROM photos"))).toBe(lost);
    failing = false;
    expect((await ask(image, "SELECT count(*) FROM photos")).rows).toEqual([[300]]);
  });

  it("that are cut short are told, and nothing else stands in their place", async () => {
    const pages = pagesOf(shop);
    let cut = false;
    const image = await open({
      ...pages,
      usePage: (pgno, use) =>
        pages.usePage(pgno, (page) => use(cut && pgno > 40 ? page.subarray(0, 512) : page)),
    });
    cut = true;
    const error = await failure(ask(image, "SELECT sum(length(bytes)) FROM photos"));
    expect(error).toMatchObject({ code: "OBJECT_CORRUPT" });
    expect(error.message).toMatch(/^Page \d+ has 512 bytes, not 4096\.$/);
  });

  it("that are no database are refused at once", async () => {
    const wrong = shop.slice();
    wrong.fill(7, 0, 16);
    expect((await failure(openImage(pagesOf(wrong)))).code).toBe("OBJECT_CORRUPT");
    const broken = shop.slice();
    broken.fill(7, 100, 2000); // the page of the schema
    expect((await failure(openImage(pagesOf(broken)))).code).toBe("OBJECT_CORRUPT");
  });

  it("may come late, for several images and queries at once", async () => {
    const late = (bytes: Uint8Array): PageReader => {
      const pages = pagesOf(bytes);
      return {
        ...pages,
        usePage: async (pgno, use) => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
          return pages.usePage(pgno, use);
        },
      };
    };
    const [one, two] = await Promise.all([open(late(shop)), open(late(fidelity))]);
    const answers = await Promise.all([
      ask(two, "SELECT rowid FROM docs WHERE docs MATCH 'dusk'"),
      ask(one, "SELECT count(*) FROM orders"),
      ask(two, "SELECT count(*) FROM gaps"),
      ask(one, "SELECT count(*) FROM reviews"),
      failure(ask(one, "SELEC")),
      ask(two, "SELECT v FROM parents"),
      ask(one, "SELECT max(id) FROM customers"),
    ]);
    expect(answers.map((answer) => ("rows" in answer ? answer.rows : answer.code))).toEqual([
      [[3]],
      [[14_000]],
      [[4]],
      [[3000]],
      "QUERY_FAILED",
      [[2], [3.5]],
      [[6000]],
    ]);
  });

  it("take no more memory with each query", async () => {
    const image = await open(pagesOf(shop));
    const round = async () => {
      await ask(image, "SELECT *, ? FROM customers", ["x".repeat(1000)]);
      await failure(ask(image, "SELECT nope"));
      await failure(ask(image, "SELECT 1; SELECT 2"));
      await failure(ask(image, "SELECT * FROM customers", [], { rows: 3 }));
      return image.memoryUsed;
    };
    await round();
    const before = await round();
    for (let times = 0; times < 50; times++) await round();
    expect(image.memoryUsed).toBe(before);
  });

  it("give all memory back when closed", async () => {
    // 200 times 17 MB is far more than a Worker may use.
    for (let times = 0; times < 200; times++) {
      const image = await openImage(pagesOf(shop));
      await ask(image, "SELECT count(*) FROM orders");
      image.close();
      expect((await failure(ask(image, "SELECT 1"))).message).toContain("closed");
    }
  });

  it("may hold a schema that only libSQL understands", async () => {
    const image = await open(pagesOf(fidelity));
    expect((await ask(image, "SELECT count(*), sum(id) FROM vectors")).rows).toEqual([[3, 6]]);
    expect((await ask(image, "SELECT a FROM drawn ORDER BY typeof(a)")).rows).toEqual([
      [2],
      ["first"],
    ]);
    expect((await ask(image, "PRAGMA integrity_check")).rows).toEqual([["ok"]]);
  });
});
