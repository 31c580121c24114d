import { describe, expect, it } from "vitest";
import fc from "fast-check";
import {
  isRandomRowid,
  isVectorIndex,
  withoutRandomRowid,
} from "../../../src/format/sql/libsql-schema.ts";
import { findMigrationTable, NewestMigration } from "../../../src/format/dump/migrations.ts";

describe("a word of libSQL in a schema", () => {
  it.each([
    ["CREATE TABLE d(a) RANDOM ROWID", "CREATE TABLE d(a)"],
    ["CREATE TABLE d(a) RANDOM ROWID /* see (1) */", "CREATE TABLE d(a) /* see (1) */"],
    ["CREATE TABLE d(a) -- a ) b\n random /* x */ rowid , STRICT;", "CREATE TABLE d(a) , STRICT;"],
    [
      "CREATE TABLE \"a(b\"(a CHECK (a > (1)), b DEFAULT ')') strict, RANDOM ROWID",
      "CREATE TABLE \"a(b\"(a CHECK (a > (1)), b DEFAULT ')') strict",
    ],
  ])("counts: %s", (sql, without) => {
    expect(isRandomRowid(sql)).toBe(true);
    expect(
      withoutRandomRowid(sql).replaceAll(/\s+,/g, " ,").replace(") , STRICT", ") , STRICT"),
    ).toContain(without.split(" ,")[0]!);
    expect(isRandomRowid(withoutRandomRowid(sql))).toBe(false);
  });

  it.each([
    "CREATE TABLE d(a TEXT PRIMARY KEY, b) WITHOUT ROWID /* a random rowid would not do */",
    "CREATE TABLE d(a) -- RANDOM ROWID",
    "CREATE TABLE d(a DEFAULT 'RANDOM ROWID')",
    "CREATE TABLE d(random rowid)",
    "CREATE TABLE d(a",
    "",
  ])("does not count in a comment, a text or a name: %s", (sql) => {
    expect(isRandomRowid(sql)).toBe(false);
    expect(withoutRandomRowid(sql)).toBe(sql);
  });

  it("makes a vector index outside of comments only", () => {
    expect(isVectorIndex("CREATE INDEX i ON t ( /* near */ libsql_vector_idx (e))")).toBe(true);
    expect(isVectorIndex("CREATE INDEX i ON t (a) /* not (libsql_vector_idx(e)) */")).toBe(false);
    expect(isVectorIndex("CREATE INDEX i ON t (libsql_vector_idx)")).toBe(false);
  });

  it("is read in time that grows with the text", () => {
    fc.assert(
      fc.property(fc.constantFrom(") ", "random ", ")random ", "( ", ", "), (piece) => {
        const sql = `CREATE TABLE t(a) ${piece.repeat(200_000)}`;
        isRandomRowid(sql); // the old expression took minutes for each of these
        expect(withoutRandomRowid(sql).length).toBeLessThanOrEqual(sql.length);
      }),
      { numRuns: 5 },
    );
  });
});

describe("the newest migration", () => {
  const newest = (name: string, columns: string[], rows: (string | null)[][]) => {
    const found = new NewestMigration(findMigrationTable(name)!);
    for (const row of rows) found.add(columns, row);
    return found.name;
  };

  it.each([
    [
      "schema_migrations",
      ["version"],
      [["20260301120000"], ["20250101000000"], ["9"]],
      "20260301120000",
    ],
    [
      "django_migrations",
      ["id", "app", "name"],
      [
        ["10", "b", "0002_x"],
        ["9", "a", "0001_y"],
      ],
      "0002_x",
    ],
    [
      "d1_migrations",
      ["id", "name"],
      [
        ["2", "0002_b.sql"],
        ["1", "0001_a.sql"],
      ],
      "0002_b.sql",
    ],
    ["alembic_version", ["version_num"], [["1975ea83b712"]], "1975ea83b712"],
    [
      "_sqlx_migrations",
      ["version", "description"],
      [
        ["2", "b"],
        ["10", "j"],
      ],
      "j",
    ],
    ["__diesel_schema_migrations", ["version"], [["20260102"], ["20260101"]], "20260102"],
    ["schema_migrations", ["version"], [["10"], ["9"], ["0007"]], "10"],
    [
      "__drizzle_migrations",
      ["id", "hash", "created_at"],
      [
        ["1", "new", "1700000000001"],
        ["2", "old", "1600000000000"],
      ],
      "new",
    ],
    [
      "_prisma_migrations",
      ["migration_name", "started_at", "finished_at"],
      [
        ["b", "2026-02-01", "2026-02-02"],
        ["a", "2026-01-01", null],
      ],
      "b",
    ],
    [
      "knex_migrations",
      ["id", "name"],
      [
        ["12", "last"],
        ["2", "first"],
      ],
      "last",
    ],
    [
      "knex_migrations",
      ["number", "what"],
      [
        ["1", "x"],
        ["2", null],
      ],
      "2,NULL",
    ],
  ])("of %s is the greatest, in whatever order the rows come", (name, columns, rows, expected) => {
    expect(newest(name, columns, rows)).toBe(expected);
  });

  it("of two that are equally new is the later one, and a long name is cut", () => {
    expect(
      newest(
        "knex_migrations",
        ["id", "name"],
        [
          ["1", "a"],
          ["1", "b"],
        ],
      ),
    ).toBe("b");
    expect(newest("schema_migrations", ["version"], [["x".repeat(5000)]])).toHaveLength(200);
  });
});
