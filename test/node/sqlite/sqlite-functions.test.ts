import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../../src/sqlite/engine/engine.ts";
import { placeOf } from "../../../src/sqlite/engine/functions.ts";
import { openImageWith } from "../../../src/sqlite/engine/image.ts";
import { allRows } from "../../../src/sqlite/engine/rows.ts";
import type { Bound, Statement } from "../../../src/sqlite/engine/statement.ts";
import { pagesOf } from "../../support/describe-image.ts";
import { compiledWasm } from "../../support/wasm.ts";

const TRIALS = Number(process.env["TRIALS"] ?? 400);

let engine: Engine;
const stock = new DatabaseSync(":memory:");
beforeAll(async () => {
  engine = await newEngine();
});
afterAll(() => stock.close());

async function newEngine(): Promise<Engine> {
  const usePage = (): never => expect.fail("there are no pages");
  const made = await Engine.start(await compiledWasm(), { pageSize: 4096, pageCount: 0, usePage });
  await made.open("memory");
  return made;
}

type Value = null | number | bigint | string | Uint8Array;

/** The result of a call with its type and bytes, or that it is an error. */
async function ours(call: string, args: readonly Value[]): Promise<string> {
  const sql = `SELECT typeof(${call}) || ' ' || quote(CAST(${call} AS BLOB))`;
  const bound = args.map((value): Bound =>
    typeof value === "string" ? { text: new TextEncoder().encode(value) } : value,
  );
  try {
    const [answer] = await allRows(engine, sql, (row) => row.text(0), bound);
    return answer ?? "null";
  } catch {
    return "an error";
  }
}

function theirs(call: string, args: readonly Value[]): string {
  const sql = `SELECT typeof(${call}) || ' ' || quote(CAST(${call} AS BLOB)) AS answer`;
  try {
    return String(stock.prepare(sql).get(...args)!["answer"]);
  } catch {
    return "an error";
  }
}

/** A small alphabet, so that characters repeat; bytes that are not UTF-8 come as BLOBs. */
const letters = fc.string({
  unit: fc.constantFrom("a", "b", "A", "é", "€", "🌙", "%", "_", "*", "[", "]", "?", "^", "-"),
  maxLength: 12,
});
const bytes = fc
  .array(fc.constantFrom(0x61, 0x62, 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0xff, 0), { maxLength: 10 })
  .map((list) => Uint8Array.from(list));
const value: fc.Arbitrary<Value> = fc.oneof(
  { arbitrary: letters, weight: 6 },
  { arbitrary: bytes, weight: 2 },
  fc.integer({ min: -120, max: 120 }).map(BigInt),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -9, max: 9 }),
  fc.constant(null),
);

describe("a function that replaces SQLite's own", () => {
  it.each([
    ["instr(?1, ?2)", 2],
    ["replace(?1, ?2, ?3)", 3],
    ["trim(?1, ?2)", 2],
    ["ltrim(?1, ?2)", 2],
    ["rtrim(?1, ?2)", 2],
    ["?2 LIKE ?1", 2],
    ["?2 GLOB ?1", 2],
    ["?2 LIKE ?1 ESCAPE 'a'", 2],
    ["?2 LIKE ?1 ESCAPE ?3", 3],
  ])("%s answers as SQLite's own does", async (call, count) => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: count, maxLength: count }), async (args) => {
        // node:sqlite, unlike the Worker's SQLite, lets LIKE and GLOB match BLOBs.
        const matches = call.startsWith("?2");
        fc.pre(!matches || !args.slice(0, 2).some((arg) => arg instanceof Uint8Array));
        // A wildcard as ESCAPE is refused, and invalid UTF-8 is not a character.
        const escape = matches ? args[2] : null;
        fc.pre(!(escape instanceof Uint8Array) && !/^[%_]/.test(String(escape)));
        expect(await ours(call, args)).toBe(theirs(call, args));
      }),
      { numRuns: TRIALS },
    );
  });

  it.each([
    ["hex(?1)", 1],
    ["quote(?1)", 1],
    ["unhex(?1, ?2)", 2],
    ["unhex(hex(?1) || ?2, ?2)", 2],
    ["zeroblob(?1)", 1],
    ["length(randomblob(?1))", 1],
    ["typeof(randomblob(?1))", 1],
    ["printf(?1)", 1],
    ["printf(?1, ?2)", 2],
    ["printf('%s|%q|%Q|%w', ?1, ?2, ?1, ?2)", 2],
    ["printf('%d|%x|%g|%!.15g', ?1, ?2, ?1, ?2)", 2],
    ["printf('%*s|%-.3s|%!5.2s|%c', ?1, ?2, ?2, ?2, ?2)", 2],
    ["format('%.*c', ?1, ?2)", 2],
  ])("%s answers as SQLite's own does", async (call, count) => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: count, maxLength: count }), async (args) => {
        expect(await ours(call, args)).toBe(theirs(call, args));
      }),
      { numRuns: TRIALS },
    );
  });

  it.each(["json_patch(?1, ?2)", "json(jsonb_patch(?1, ?2))", "json_patch(jsonb(?1), ?2)"])(
    "%s answers as SQLite's own does",
    async (call) => {
      const json = fc.oneof(
        { arbitrary: fc.json({ maxDepth: 3 }), weight: 8 },
        { arbitrary: fc.constant(null), weight: 1 },
        { arbitrary: letters, weight: 1 },
      );
      await fc.assert(
        fc.asyncProperty(json, json, async (a, b) => {
          expect(await ours(call, [a, b])).toBe(theirs(call, [a, b]));
        }),
        { numRuns: TRIALS },
      );
    },
  );

  it("answers JSON where SQLite's own does, and names the error that its own names", async () => {
    const merged = `json_array(json_patch('{"a":1}', '{"b":2}'))`;
    expect(await allRows(engine, `SELECT ${merged}`, (row) => row.text(0))).toEqual([
      '[{"a":1,"b":2}]',
    ]);
    const broken = allRows(engine, "SELECT json_patch('{', '{}')", () => 0);
    await expect(broken).rejects.toThrow("malformed JSON");
    expect(await allRows(engine, "SELECT printf()", (row) => row.text(0))).toEqual([null]);
  });

  it("gives the bytes of text in UTF-16, as SQLite's own does", async () => {
    const path = join(tmpdir(), `nightjar-utf16-${process.pid}.db`);
    const made = new DatabaseSync(path);
    made.exec("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a); INSERT INTO t VALUES ('hé')");
    const calls =
      "SELECT hex(a) || quote(a) || printf('%s', a) || unhex('41é', a || 'é') || hex(12) AS x FROM t";
    const stocks = made.prepare(calls).get()!["x"];
    made.close();
    const image = await openImageWith(await compiledWasm(), pagesOf(readFileSync(path)));
    rmSync(path);
    expect(await image.rows(calls, (row) => row.text(0))).toEqual([stocks]);
    expect(stocks).toMatch(/^6800E900'hé'hé/);
    image.close();
  });

  it("keeps the type where replace() replaces nothing, and the limit of a value's length", async () => {
    expect(await ours("replace(?1, '', 'x')", [7n])).toBe(theirs("replace(?1, '', 'x')", [7n]));
    const long = `SELECT replace(hex(zeroblob(100)), '0', hex(zeroblob(400000)))`;
    await expect(allRows(engine, long, () => 0)).rejects.toThrow(/too big/);
  });

  it("makes no value that is twice as long as the database and longer than 1 MiB", async () => {
    const calls = ["randomblob", "zeroblob", "printf('%*s', ", "hex(zeroblob("].map((call) =>
      call.includes("(") ? call : `${call}(`,
    );
    const other = await newEngine();
    const ask = (call: string, length: number) => {
      const ends = call.startsWith("hex") ? "))" : call.includes("*") ? ", 'x')" : ")";
      return allRows(other, `SELECT length(${call}${length}${ends})`, (row) => row.integer(0));
    };
    for (const call of calls) {
      const most = call.startsWith("hex") ? 524_287 : 1_048_575;
      expect(await ask(call, most), call).toHaveLength(1);
      await expect(ask(call, 2_000_000), call).rejects.toThrow(/too big/);
      await expect(ask(call, most + 2), call).rejects.toThrow(/too big/);
    }
    other.allowFor(1_000_000);
    for (const call of calls) await ask(call, call.startsWith("hex") ? 999_999 : 1_999_999);
  });

  it("may be used in a schema, in an index too", async () => {
    const other = await newEngine();
    const run = (sql: string) => allRows(other, sql, (row) => row.text(0));
    await run("CREATE TABLE t(a, b AS (replace(a, 'x', 'y')), CHECK (instr(a, '!') = 0))");
    await run("CREATE INDEX p ON t(hex(a), printf('%s', a), json_patch('{}', json_object(a, 1)))");
    await run("ALTER TABLE t ADD COLUMN c DEFAULT (quote(length(randomblob(3) || zeroblob(2))))");
    await run("CREATE INDEX i ON t(trim(a, 'x')) WHERE a LIKE 'x%'");
    await run("INSERT INTO t(a) VALUES ('xax'), ('b')");
    expect(await run("SELECT b FROM t WHERE trim(a, 'x') = 'a'")).toEqual(["yay"]);
    expect(await run("PRAGMA integrity_check")).toEqual(["ok"]);
  });
});

describe("the work of a function", () => {
  /** Count the bytes that are read, by a view that counts. */
  function looks(hay: Uint8Array, needle: Uint8Array): number {
    let count = 0;
    const counting = (target: Uint8Array): Uint8Array =>
      new Proxy(target, {
        get(of, key) {
          if (typeof key === "string" && /^[0-9]+$/.test(key)) count++;
          const got: unknown = Reflect.get(of, key, of);
          return typeof got === "function" ? (got as () => unknown).bind(of) : got;
        },
      });
    placeOf(counting(hay), counting(needle), false);
    return count;
  }

  it("grows with the length of both texts, whatever they hold", () => {
    const alphabet = fc.constantFrom(0, 1);
    fc.assert(
      fc.property(
        fc.array(alphabet, { maxLength: 600 }),
        fc.array(alphabet, { minLength: 1, maxLength: 300 }),
        fc.nat(40),
        (hay, needle, repeats) => {
          const long = Uint8Array.from(Array.from({ length: repeats + 1 }, () => hay).flat());
          const pattern = Uint8Array.from(needle);
          expect(looks(long, pattern)).toBeLessThanOrEqual(6 * (long.length + pattern.length) + 20);
        },
      ),
      { numRuns: TRIALS },
    );
    const zeros = new Uint8Array(20_000);
    const almost = Uint8Array.from([...new Uint8Array(10_000), 1]);
    expect(looks(zeros, almost)).toBeLessThan(6 * 30_001);
  });

  it("is counted in steps, which grow no faster than the texts", async () => {
    const steps = async (n: number): Promise<number> => {
      const other = await newEngine();
      const sql = `SELECT instr(hex(zeroblob(${n})), hex(zeroblob(${n / 2})) || '1'),
        length(replace(hex(zeroblob(${n})), hex(zeroblob(${n / 2})) || '1', '')),
        trim(hex(zeroblob(${n})), '10')`;
      await allRows(other, sql, () => 0);
      return other.steps;
    };
    const [one, ten] = [await steps(40_000), await steps(400_000)];
    expect(one).toBeGreaterThan(5000);
    expect(ten / one).toBeLessThan(11);
  });

  it("is counted for a value that comes from nothing", async () => {
    const steps = async (call: string): Promise<number> => {
      const other = await newEngine();
      await allRows(other, `SELECT ${call}`, () => 0);
      return other.steps;
    };
    for (const call of ["randomblob(1000000)", "zeroblob(1000000)", "printf('%.*c', 1000000, 'x')"])
      expect(await steps(call), call).toBeGreaterThan(60_000);
    for (const call of ["hex(?)", "quote(?)"])
      expect(
        (await steps(call.replace("?", "zeroblob(500000)"))) - (await steps("zeroblob(500000)")),
        call,
      ).toBeGreaterThan(60_000);
  });

  it("is counted before it is done, also for a set of characters to trim", async () => {
    const trimming = (bytes: number) =>
      allRows(engine, `SELECT trim('aab', ?1)`, (row) => row.text(0), [
        { text: new TextEncoder().encode("a".repeat(bytes)) },
      ]);
    expect(await trimming(65_536)).toEqual(["b"]);
    await expect(trimming(65_537)).rejects.toMatchObject({
      code: "QUERY_LIMIT",
      message: expect.stringContaining("a set of more than 65536 bytes to trim") as string,
    });
  });

  it.each([
    ["randomblob() again and again", `length(randomblob(1000000)) + `.repeat(500) + "0"],
    [
      "zeroblob() again and again",
      `length(zeroblob(1000000 + random() * 0) || 'x') + `.repeat(500) + "0",
    ],
    [
      "printf() again and again",
      `length(printf('%.*c', 1000000 + random() * 0, 'x')) + `.repeat(500) + "0",
    ],
    ["json_patch()", "json_patch(?1, ?1)"],
    ["jsonb_patch()", "jsonb_patch('{}', ?1)"],
    ["unhex()", "unhex(?1, ?1)"],
    ["LIKE", "hex(zeroblob(100000)) LIKE '%' || hex(zeroblob(5000)) || '1'"],
    ["LIKE with ESCAPE", "hex(zeroblob(100000)) LIKE '%' || hex(zeroblob(5000)) || '1' ESCAPE '!'"],
    ["GLOB", "hex(zeroblob(100000)) GLOB '*' || hex(zeroblob(5000)) || '1'"],
    [
      "LIKE again and again",
      `${"hex(zeroblob(20000)) LIKE '%' || hex(zeroblob(500)) || '1' OR ".repeat(40)} 0`,
    ],
  ])("that would take longer than a second is refused: %s", async (_, expression) => {
    const other = await newEngine();
    const keys = Array.from({ length: 20_000 }, (_, at) => [`k${at}`, 1] as const);
    const long = new TextEncoder().encode(JSON.stringify(Object.fromEntries(keys)));
    const bound = expression.includes("?1") ? [{ text: long }] : [];
    const asked = allRows(other, `SELECT ${expression}`, () => 0, bound);
    await expect(asked).rejects.toMatchObject({
      code: "QUERY_LIMIT",
      message: expect.stringContaining("more than a second at once") as string,
    });
    // The next statement is a different one.
    expect(await allRows(other, "SELECT 'ab' LIKE 'A%'", (row: Statement) => row.text(0))).toEqual([
      "1",
    ]);
  });
});
