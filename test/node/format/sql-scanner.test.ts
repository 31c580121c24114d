import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SqlScanner, type Statement } from "../../../src/format/sql/scanner.ts";
import { END, tokenReader } from "../../../src/format/sql/tokens.ts";
import { completeBySqlite } from "../../support/sqlite-complete.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function scan(chunks: Uint8Array[], maxHeld?: number) {
  const statements: ({ text: string } & Omit<Statement, "source" | "from" | "to" | "bytes">)[] = [];
  const scanner = new SqlScanner(
    ({ bytes, length, cut, ambiguous, bareInfinity, nul, commented }) =>
      statements.push({
        text: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes),
        ...{ length, cut, ambiguous, bareInfinity, nul, commented },
      }),
    maxHeld,
  );
  for (const chunk of chunks) scanner.push(chunk);
  return { statements, complete: scanner.complete };
}

const texts = (sql: string) => scan([encode(sql)]).statements.map(({ text }) => text);

/** Random combinations of SQL pieces that matter to a scanner. */
const soup = fc
  .array(
    fc.constantFrom(
      ...[
        "'",
        "''",
        '"',
        "`",
        "[",
        "]",
        ";",
        "-",
        "--",
        "/",
        "*",
        "/*",
        "*/",
        "\n",
        " ",
        "\t",
        "\0",
      ],
      ...["CREATE", "create", "TEMP", "Temporary", "TRIGGER", "trigger", "END", "end", "EXPLAIN"],
      ...["INSERT INTO t VALUES(", "inf", "-inf", ",", ")", "x", "ending", "é", "1e5", "infinity"],
    ),
    { maxLength: 40 },
  )
  .map((words) => words.join(""));

/** The same, with Tcl variables and text that only looks like one. */
const tclSoup = fc
  .array(
    fc.oneof(
      soup,
      fc.constantFrom(...["$", "@", ":", "::", "#", "(", ")", "$a(", "a$(", "@b::c(", "é$x(", ";"]),
      fc.constantFrom(...["CREATE TRIGGER ", ";END;", "END"]),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(""));

/** Split SQL by SQLite's tokenizer and the states of sqlite3_complete: the simple reference. */
function splitByTokens(sql: string): string[] {
  const statements: string[] = [];
  const next = tokenReader(sql);
  let words: string[] = []; // all words since the statement began that are not quoted
  let start = -1;
  for (let token = next(); token !== END; token = next()) {
    if (token.kind === "unterminated") break;
    if (start === -1) {
      if (token.word === ";") continue;
      start = token.start;
    }
    words.push(token.kind === "word" || token.word === ";" ? token.word : "?");
    if (token.word !== ";") continue;
    const trigger = /^(EXPLAIN ([^C]\S* |C(?!REATE )\S* )*)?CREATE (TEMP(ORARY)? )*TRIGGER /;
    if (trigger.test(words.join(" ")) && !words.join(" ").endsWith("; END ;")) continue;
    statements.push(sql.slice(start, token.end));
    words = [];
    start = -1;
  }
  return statements;
}

describe("the statement scanner", () => {
  it("ends statements at semicolons outside of quotes and comments", () => {
    expect(texts("a';';b\";\"; [;] `;` ;-- c;\n/* ; */ d;")).toEqual([
      "a';';",
      'b";";',
      "[;] `;` ;",
      "d;",
    ]);
  });

  it("ends a trigger at its END only", () => {
    const trigger =
      "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE 1 WHEN 1 THEN 2 END; DELETE FROM b; END;";
    expect(texts(`${trigger}SELECT 1;`)).toEqual([trigger, "SELECT 1;"]);
  });

  it("marks a bare inf and a NUL, and only there", () => {
    const { statements } = scan([
      encode(
        "INSERT INTO a VALUES(1,inf);INSERT INTO a VALUES('inf',inform);X(-inf,'a\0b');Y(info);",
      ),
    ]);
    expect(statements.map(({ bareInfinity }) => bareInfinity)).toEqual([true, false, true, false]);
    expect(statements.map(({ nul }) => nul)).toEqual([false, false, true, false]);
  });

  it("says where SQLite itself says that a statement is complete", () => {
    fc.assert(
      fc.property(soup, (sql) => {
        expect(scan([encode(sql)]).complete && sql.includes(";")).toBe(
          completeBySqlite(sql) && sql.includes(";"),
        );
      }),
      { numRuns: 5000 },
    );
  });

  it("reads variables as SQLite's tokenizer does", () => {
    const sql = "SELECT $a('); @b::c(;)x;SELECT a$(';'); :d;";
    expect(texts(sql)).toEqual(["SELECT $a(');", "@b::c(;)x;", "SELECT a$(';');", ":d;"]);
    fc.assert(
      fc.property(tclSoup, (sql) => {
        expect(texts(sql)).toEqual(splitByTokens(sql));
      }),
      { numRuns: 5000 },
    );
  });

  it("marks what shells and SQLite's parser do not read alike", () => {
    const ambiguous = (sql: string) => scan([encode(sql)]).statements.map((one) => one.ambiguous);
    expect(
      ambiguous("a $b; $b(c) ; '$b(c)' /* $b(c) */; a\v; \ufeffb; a\ufeff; ￮; '\ufeff\v';"),
    ).toEqual([false, true, false, true, true, true, false, false]);
    expect(ambiguous("$(a); b$(c); @a:b(c); @a:: (c); @a::b(c); @::a(c); ::(c);")).toEqual([
      false,
      false,
      true,
      false,
      true,
      true,
      false,
    ]);
    // No other difference: without these marks, both end every statement at the same place.
    fc.assert(
      fc.property(tclSoup, (sql) => {
        const { statements, complete } = scan([encode(sql)]);
        fc.pre(sql.includes(";") && !statements.some((one) => one.ambiguous));
        if (complete) expect(completeBySqlite(sql)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  it("finds the same in chunks of any size", () => {
    fc.assert(
      fc.property(tclSoup, fc.infiniteStream(fc.integer({ min: 1, max: 5 })), (sql, sizes) => {
        const bytes = encode(sql);
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number;
          chunks.push(bytes.slice(at, at + size));
          at += size;
        }
        expect(scan(chunks)).toEqual(scan([bytes]));
      }),
      { numRuns: 3000 },
    );
  });

  it("holds a bounded part of a huge statement, and counts all of it", () => {
    const piece = encode("x".repeat(300_000));
    const { statements } = scan([encode("INSERT '"), ...Array(10).fill(piece), encode("';")]);
    expect(statements[0]).toMatchObject({ length: 3_000_010, cut: false });
    expect(statements[0]!.text.length).toBe(1024 * 1024 + 2);
    expect(statements[0]!.text).toMatch(/^INSERT 'x+';$/);
    expect(scan([encode(`/**/${"x".repeat(2_000_000)};`)]).statements[0]).toMatchObject({
      ...{ length: 2_000_001, cut: true },
    });
  });

  it("leaves out of a long statement only what is in quotes", () => {
    const text = fc.string({ unit: fc.constantFrom("'", '"', "a", ";", "é", "\0"), maxLength: 60 });
    const literal = text.map((value) => `'${value.replaceAll("'", "''")}'`);
    const sizes = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(fc.array(literal), sizes, fc.integer({ max: 40 }), (literals, size, held) => {
        const sql = `INSERT INTO t VALUES(${literals.join()});`;
        const bytes = encode(sql);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.slice(at * size, (at + 1) * size),
        );
        const { statements } = scan(chunks, Math.max(0, held));
        expect(statements).toHaveLength(1);
        const [{ text: short, length, nul, cut }] = statements as [(typeof statements)[0]];
        expect({ length, nul, cut }).toEqual({
          ...{ length: bytes.length, nul: sql.includes("\0"), cut: false },
        });
        const outside = (from: string) => from.replaceAll(/'(?:[^']|'')*'/g, "?");
        expect(outside(short)).toBe(outside(sql));
      }),
      { numRuns: 2000 },
    );
  });
});
