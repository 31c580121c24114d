import type * as v from "valibot";
import { diffFound } from "../../model/diff-line.ts";
import { BACKUP_ID, LINEAGE } from "./parts.ts";

export const diffAnswer = diffFound;

const SIDES = {
  from: { backup: BACKUP_ID, asOf: "2026-11-20T01:58:40.000Z", lineage: LINEAGE, txid: 412 },
  to: { backup: null, asOf: "2026-11-20T07:56:10.000Z", lineage: LINEAGE, txid: 415 },
};
const SUMMARY: Omit<v.InferInput<typeof diffFound>, "from" | "to" | "pages"> = {
  different: true,
  objects: [
    {
      ...{ change: "added", type: "index", name: "orders_by_city", table: "orders" },
      ...{ from: null, to: "CREATE INDEX orders_by_city ON orders(city)" },
    },
  ],
  settings: [],
  tables: [
    {
      ...{ name: "orders", change: "changed", owner: null, matching: "rowid" },
      ...{ added: 1, removed: 0, changed: 1, newColumns: [], lostColumns: [] },
    },
  ],
  compared: 12,
};
export const DIFF: v.InferInput<typeof diffAnswer> = {
  ...{ ...SIDES, ...SUMMARY },
  pages: { read: 9, of: 50_000 },
};

const ROWS = [
  SIDES,
  {
    row: {
      ...{ table: "orders", change: "changed", key: [["id", 42]] },
      values: [["status", "open", "paid"]],
    },
  },
  {
    row: {
      ...{ table: "orders", change: "added", key: [["id", 43]] },
      values: [
        ["id", 43],
        ["status", "open"],
      ],
    },
  },
  { done: { ...SUMMARY, pages: DIFF.pages } },
];
export const DIFF_ROWS = `${ROWS.map((line) => JSON.stringify(line)).join("\n")}\n`;
export const DIFF_SQL = `PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
UPDATE "orders" SET "status"='paid' WHERE "id"=42;
INSERT INTO "orders"("id","status") VALUES
(43,'open');
CREATE INDEX orders_by_city ON orders(city);
COMMIT;
`;
