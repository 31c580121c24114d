import { describe, expect, it } from "vitest";
import { fullTextOf } from "../../../src/format/sql/full-text.ts";
import { moduleOf } from "../../../src/format/sql/virtual-module.ts";

describe("the module of a virtual table", () => {
  it.each([
    ["CREATE VIRTUAL TABLE a USING fts5(x)", "fts5"],
    ["create virtual table if not exists a using FTS5 (x)", "fts5"],
    ["CREATE VIRTUAL TABLE main.a USING rtree", "rtree"],
    [`CREATE VIRTUAL TABLE "a (b" USING fts5(x)`, "fts5"],
    [`CREATE VIRTUAL TABLE "a ""using"" c(" USING fts5(x)`, "fts5"],
    [`CREATE VIRTUAL TABLE 'a using c' USING 'fts4'(x)`, "fts4"],
    [`CREATE VIRTUAL TABLE [a using c] USING [fts3](x)`, "fts3"],
    ["CREATE VIRTUAL TABLE `a``(` USING `fts5`(x)", "fts5"],
    [`CREATE VIRTUAL TABLE "" USING fts5(x)`, "fts5"],
    ["CREATE/**/VIRTUAL -- (\nTABLE a/* USING rtree( */USING/**/fts5(x)", "fts5"],
    // To SQLite these are ordinary words, though Unicode treats them as white space and as S, I and K.
    ["CREATE VIRTUAL TABLE \u00a0using USING fts5(x)", "fts5"],
    ["CREATE VIRTUAL TABLE u\u017fing USING fts5(x)", "fts5"],
    ["CREATE VIRTUAL TABLE us\u0131ng USING mymod\u212a(x)", "mymod\u212a"],
    ["CREATE VIRTUAL TABLE a", undefined],
    ["CREATE TABLE virtual (using fts5)", undefined],
    ["CREATE VIEW a AS SELECT 1 FROM b JOIN c USING (fts5)", undefined],
    ["", undefined],
  ])("%s", (sql, module) => {
    expect(moduleOf(sql)).toBe(module);
  });

  it("is full-text search, or only speaks of it", () => {
    const made = (using: string) =>
      fullTextOf(`CREATE VIRTUAL TABLE a USING ${using}`) !== undefined;
    expect(["fts3(a)", "FTS4", "fts5 (a)"].map(made)).toEqual([true, true, true]);
    expect(["fts5vocab(b, row)", "fts4aux(b)", "rtree(fts5)"].map(made)).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe("what a full-text index takes its words from", () => {
  it.each([
    ["a USING fts5(x)", { name: "a", content: "a_content", own: true }],
    [`"A b" USING fts5(x, content="Posts")`, { name: "A b", content: "posts", own: false }],
    ["a USING fts5(x, content = 'po''sts')", { name: "a", content: "po'sts", own: false }],
    ["a USING fts5(x,content=posts,tokenize=porter)", { name: "a", content: "posts", own: false }],
    ["a USING fts5(conten=[posts], x)", { name: "a", content: "posts", own: false }],
    ["a USING fts5(x, content='')", { name: "a", content: "", own: false }],
    [
      "a USING fts4(content /* is */ , content=`posts`)",
      { name: "a", content: "posts", own: false },
    ],
    ["a USING fts5(content UNINDEXED, x)", { name: "a", content: "a_content", own: true }],
  ])("%s", (made, expected) => {
    expect(fullTextOf(`CREATE VIRTUAL TABLE ${made}`)).toEqual(expected);
  });
});
