import { describe, expect, it } from "vitest";
import { testContext } from "../../support/context.ts";
import { PageDatabase } from "../../support/page-database.ts";
import { databaseBytes } from "../../support/hrana-pages.ts";
import { captured, describeFile, describeSql } from "../../support/rows.ts";
import { Tursodb } from "../../support/tursodb.ts";

const MVCC = "PRAGMA journal_mode = 'mvcc'";
const VALUES = [
  ...["NULL", "1", "-1", "9223372036854775807", "(-9223372036854775807-1)", "9007199254740993"],
  ...["1.0", "-0.0", "0.1", "5e-324", "1.7976931348623157e308", "9e999", "-9e999", "1e21"],
  ...[
    "'it''s'",
    "'é 🌙'",
    "''",
    "'a' || char(0) || 'b'",
    "char(13, 10)",
    "'12'",
    "X''",
    "X'00FF10'",
  ],
  ...["zeroblob(70000)", "'\\\\ \"quoted\" \\u0041'", "'x' || hex(zeroblob(40000))"],
];
const TABLES = [
  "CREATE TABLE plain(id INTEGER PRIMARY KEY, a, r REAL, t TEXT, i INTEGER)",
  'CREATE TABLE "q""t"("c""1" TEXT, "select")',
  "CREATE TABLE strict(a ANY, t TEXT) STRICT",
  ...VALUES.flatMap((value) => [
    `INSERT INTO plain(a, r, t, i) VALUES (${value}, ${value}, ${value}, ${value})`,
    `INSERT INTO "q""t" VALUES (${value}, ${value})`,
    `INSERT INTO strict(a) VALUES (${value})`,
  ]),
  'INSERT INTO "q""t"(rowid, "select") VALUES (-5, 7), (9007199254740993, 8)',
  "UPDATE plain SET a = 'changed' WHERE id = 3",
  "DELETE FROM plain WHERE id = 4",
  "CREATE INDEX by_a ON plain(a)",
  "CREATE VIEW seen AS SELECT a FROM plain",
  "PRAGMA user_version = 17",
];

/** The rows alone: the engine writes the schema's text in its own way. */
const rowsOf = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("  ") || line.startsWith("user_version")).toSorted();

describe("databases of Turso's own engine", () => {
  for (const [kind, first] of [
    ["in WAL mode", "SELECT 1"],
    ["in MVCC mode, whose pages have none of the rows", MVCC],
  ] as const)
    it(`come back value by value: ${kind}`, async () => {
      const database = await Tursodb.start();
      await database.exec(first, ...TABLES);
      const reference = await PageDatabase.create();
      await reference.runAll(TABLES);
      const context = testContext({ new: { url: database.url } });
      const { manifest, sql } = await captured(context, "new");
      expect(manifest.method).toMatchObject({ protocol: "rows" });
      const original = rowsOf(await describeFile(await databaseBytes(reference.client)));
      expect(rowsOf(await describeSql(sql))).toEqual(original);
      expect(original.length).toBeGreaterThan(3 * VALUES.length);
    });
});
