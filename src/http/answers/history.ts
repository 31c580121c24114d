import * as v from "valibot";
import { BACKUP_ID, count, LINEAGE, moment, next, said } from "./parts.ts";

const named = v.tuple([v.string(), v.unknown()]);
const nullableText = v.nullable(v.string());

const change = v.object({
  asOf: said(moment, "The last commit of the first known state that has it so."),
  uncertaintyMs: v.nullable(v.number()),
  backup: said(nullableText, "A backup of that state."),
  lineage: nullableText,
  txid: v.nullable(count),
  after: said(
    v.nullable(moment),
    "The last known state before it: the change was made after that, and by `asOf`.",
  ),
  change: said(
    v.picklist(["there", "added", "changed", "removed"]),
    "`there`: the oldest state that was looked at has it.",
  ),
  values: said(
    v.array(named),
    "Names and values of the row; of one that was removed, as it was before.",
  ),
  changed: said(
    v.array(v.tuple([v.string(), v.unknown(), v.unknown()])),
    "Name, old and new value of each column that changed. A column that a state does not have is null there.",
  ),
});

export const historyAnswer = v.object({
  table: v.string(),
  key: v.array(named),
  changes: said(v.array(change), "Newest first."),
  truncated: said(v.boolean(), "True if older states were not looked at: go on with `next`."),
  met: said(
    v.nullable(v.picklist(["changes", "reads", "time", "bytes"])),
    "The limit at which it stopped.",
  ),
  next,
  looked: v.object({
    from: v.nullable(moment),
    to: v.nullable(moment),
    states: count,
    backups: said(count, "Backups among these states."),
    read: said(
      count,
      "States that were read; in the others no page was written that the row depends on.",
    ),
    pages: count,
    reads: said(count, "Reads of the bucket."),
  }),
  leftOut: v.object({
    dumps: count,
    encrypted: count,
    unreadable: said(count, "States whose bytes are missing or damaged."),
    otherKey: said(count, "States in which the table's key has another number of columns."),
  }),
});

export const HISTORY: v.InferInput<typeof historyAnswer> = {
  ...{ table: "orders", key: [["id", 42]] },
  changes: [
    {
      ...{ asOf: "2026-11-20T07:56:10.000Z", uncertaintyMs: 0, backup: null },
      ...{ lineage: LINEAGE, txid: 415, after: "2026-11-20T07:51:02.000Z", change: "changed" },
      values: [
        ["id", 42],
        ["status", "paid"],
      ],
      changed: [["status", "open", "paid"]],
    },
    {
      ...{ asOf: "2026-11-20T01:58:40.000Z", uncertaintyMs: 0, backup: BACKUP_ID },
      ...{ lineage: LINEAGE, txid: 412, after: null, change: "there" },
      values: [
        ["id", 42],
        ["status", "open"],
      ],
      changed: [],
    },
  ],
  ...{ truncated: false, met: null, next: null },
  looked: {
    ...{ from: "2026-11-20T01:58:40.000Z", to: "2026-11-20T07:56:10.000Z" },
    ...{ states: 4, backups: 1, read: 2, pages: 9, reads: 12 },
  },
  leftOut: { dumps: 0, encrypted: 0, unreadable: 0, otherKey: 0 },
};
