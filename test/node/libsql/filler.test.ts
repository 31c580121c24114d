import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { bulkRows, exactRows } from "../../../src/target/filler.ts";

/** Grow a database as a restore by pages does; returns its number of pages. */
function grown(pageSize: number, pages: number): number {
  const database = new DatabaseSync(":memory:");
  const count = () => Number(database.prepare("PRAGMA page_count").get()!["page_count"]);
  database.exec(`PRAGMA page_size=${pageSize}; CREATE TABLE exact(a); CREATE TABLE bulk(a)`);
  const bulk = bulkRows(pageSize, pages - count());
  for (let row = 0; row < bulk.count; row++)
    database.exec(`INSERT INTO bulk VALUES (zeroblob(${bulk.size}))`);
  expect(count()).toBeLessThanOrEqual(pages);
  for (const size of exactRows(pageSize, count(), pages)!)
    database.exec(`INSERT INTO exact VALUES (zeroblob(${size}))`);
  const found = count();
  database.close();
  return found;
}

test.each([4096, 1024, 512, 65_536])(
  "a database of pages of %d bytes grows exactly",
  (pageSize) => {
    const most = Math.floor(64_000_000 / pageSize);
    for (const pages of [3, 4, 5, 8, 34, 35, 36, 37, 100, 977, 978, 979, 2000, 8191, most])
      expect(grown(pageSize, pages), `${pages} pages`).toBe(pages);
  },
);

test("a database does not shrink, nor end with the lock page", () => {
  expect(exactRows(4096, 5, 4)).toBeUndefined();
  expect(exactRows(4096, 262_100, 262_145)).toBeUndefined();
  const [size] = exactRows(4096, 262_140, 262_150)!;
  expect(Math.ceil((size! - 489) / 4092)).toBe(9); // one less: the lock page counts
});
