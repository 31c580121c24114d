import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SqlScanner } from "../../src/format/sql-scanner.ts";
import { completeBySqlite } from "../support/sqlite-complete.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function scan(chunks: Uint8Array[]) {
  const statements: { text: string; length: number; bareInfinity: boolean; nul: boolean }[] = [];
  const scanner = new SqlScanner(({ bytes, ...rest }) =>
    statements.push({ text: new TextDecoder().decode(bytes), ...rest }),
  );
  for (const chunk of chunks) scanner.push(chunk);
  return { statements, complete: scanner.complete };
}

const texts = (sql: string) => scan([encode(sql)]).statements.map(({ text }) => text);

/** Bits of SQL that matter to a scanner, put together at random. */
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

  it("finds the same in chunks of any size", () => {
    fc.assert(
      fc.property(soup, fc.infiniteStream(fc.integer({ min: 1, max: 5 })), (sql, sizes) => {
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
    expect(statements[0]!.length).toBe(3_000_010);
    expect(statements[0]!.text.length).toBe(1024 * 1024);
  });
});
