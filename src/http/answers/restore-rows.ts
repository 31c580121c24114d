import * as v from "valibot";
import { BACKUP_ID, count, LINEAGE, moment, said, SHA, sha256 } from "./parts.ts";

const named = v.tuple([v.string(), v.unknown()]);

const row = v.object({
  table: v.string(),
  change: v.picklist(["added", "changed"]),
  key: v.array(named),
  values: said(
    v.array(v.union([named, v.tuple([v.string(), v.unknown(), v.unknown()])])),
    "Of a row that is added name and value of each column; of one that changes name, value in the target and restored value of those that do.",
  ),
});

export const rowsRestoredAnswer = v.object({
  subject: v.object({
    database: v.string(),
    backup: said(v.nullable(v.string()), "Null for a moment."),
    log: v.nullable(v.object({ lineage: v.string(), txid: count })),
    asOf: said(moment, "The last commit in it."),
  }),
  target: v.object({
    url: v.string(),
    namespace: v.nullable(v.string()),
    database: v.nullable(v.string()),
  }),
  plan: said(sha256, "Names what is written and what is there now: see `plan` of the request."),
  tables: v.array(
    v.object({
      name: v.string(),
      added: count,
      changed: count,
      equal: said(count, "Rows that the target has as they are: they are left alone."),
    }),
  ),
  rows: said(v.array(row), "The rows that differ, the first 1,000 of them and 1 MiB at most."),
  rowsLeftOut: said(count, "Rows that differ and are not in `rows`."),
  missing: said(
    v.array(
      v.object({
        table: v.string(),
        key: v.array(named),
        referredBy: v.string(),
        stored: said(v.boolean(), "True if the restored state has it: `withParents` restores it."),
      }),
    ),
    "Rows that the target lacks and restored ones refer to, the first 20. With any, nothing is written.",
  ),
  written: said(v.boolean(), "False for a dry run, and where nothing differs."),
});

export const ROWS_PLANNED: v.InferInput<typeof rowsRestoredAnswer> = {
  subject: {
    ...{ database: "shop", backup: BACKUP_ID, log: { lineage: LINEAGE, txid: 412 } },
    asOf: "2026-11-20T01:58:40.000Z",
  },
  target: { url: "https://shop-acme.turso.io", namespace: null, database: "shop" },
  plan: SHA,
  tables: [{ name: "orders", added: 1, changed: 1, equal: 0 }],
  rows: [
    {
      ...{ table: "orders", change: "changed", key: [["id", 41]] },
      values: [["status", "paid", "open"]],
    },
    {
      ...{ table: "orders", change: "added", key: [["id", 42]] },
      values: [
        ["id", 42],
        ["status", "open"],
      ],
    },
  ],
  ...{ rowsLeftOut: 0, missing: [], written: false },
};
