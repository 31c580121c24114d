import * as v from "valibot";
import { place } from "./backup.ts";
import { BACKUP_ID, count, LINEAGE, moment, said } from "./parts.ts";

const subject = v.object({
  database: v.string(),
  backup: said(v.nullable(v.string()), "Null for a moment."),
  log: v.nullable(place),
  kind: v.picklist(["dump", "snapshot", "moment"]),
  asOf: said(moment, "The last commit in it."),
  takenAt: v.nullable(moment),
  bytes: count,
});

export const planAnswer = v.object({
  plan: v.object({
    subject,
    target: v.object({
      url: v.string(),
      namespace: v.nullable(v.string()),
      database: v.nullable(v.string()),
      state: v.picklist(["empty", "incomplete", "in use"]),
    }),
    way: v.picklist(["pages", "statements"]),
    why: said(v.string(), "The reason for this way."),
    only: v.nullable(v.picklist(["schema", "data"])),
    sanitized: said(v.boolean(), "True if masks are written in place of values."),
    unusedRules: said(
      v.nullable(v.array(v.string())),
      "Rules of `sanitize` that are for nothing; null if nothing is masked.",
    ),
    tables: v.array(v.object({ name: v.string(), rows: v.nullable(count), virtual: v.boolean() })),
    drops: said(v.array(v.string()), "What the target holds and loses."),
    saves: said(v.boolean(), "True if the target is backed up first."),
    loss: said(
      v.object({ asOf: moment, newestKnown: v.nullable(moment), now: moment, words: v.string() }),
      "What was written after the restored state.",
    ),
    notes: v.array(v.string()),
  }),
});

const SUBJECT: v.InferInput<typeof subject> = {
  ...{ database: "shop", backup: BACKUP_ID, log: { lineage: LINEAGE, txid: 412 } },
  ...{ kind: "snapshot", asOf: "2026-11-20T01:58:40.000Z", takenAt: "2026-11-20T02:00:01.310Z" },
  bytes: 102_400,
};
export const PLAN: v.InferInput<typeof planAnswer> = {
  plan: {
    subject: SUBJECT,
    target: {
      ...{ url: "https://dev-acme.turso.io", namespace: null, database: null, state: "empty" },
    },
    ...{ way: "statements", why: "the target takes no pages", only: null },
    ...{ sanitized: false, unusedRules: null },
    tables: [{ name: "artists", rows: 275, virtual: false }],
    ...{ drops: [], saves: false },
    loss: {
      ...{ asOf: SUBJECT.asOf, newestKnown: null, now: "2026-11-20T08:00:00.000Z" },
      words:
        "What was written to shop after 2026-11-20T01:58:40.000Z is not in it: 6 h until now. Nightjar knows of no later commit.",
    },
    notes: [],
  },
};

const { state: _, ...TARGET } = PLAN.plan.target;
const DONE = {
  ...{ restore: "w7c1n5b8e3yt", subject: SUBJECT, target: TARGET, way: "statements" },
  ...{ sanitized: false, tables: 1 },
  ...{ saved: null, verified: { tables: 1, rows: 275, hashed: true }, seconds: 2, notes: [] },
};
/** A restore's answer, line by line. */
export const RESTORED = [PLAN, { state: "writing", bytes: 21_733 }, { done: DONE }]
  .map((line) => `${JSON.stringify(line)}\n`)
  .join("");
