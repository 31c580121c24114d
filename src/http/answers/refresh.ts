import * as v from "valibot";
import { AFTER } from "../../config/refresh.ts";
import { REFRESH_STATES, REFRESH_TRIGGERS } from "../../model/refresh.ts";
import { BACKUP_ID, count, errorReport, moment, said } from "./parts.ts";

export const refreshAnswer = v.object({
  id: v.string(),
  into: said(v.string(), "The database whose content is replaced."),
  trigger: v.picklist(REFRESH_TRIGGERS),
  backup: v.string(),
  takenAt: said(moment, "When the backup was taken."),
  asOf: said(moment, "The last commit in it."),
  sanitized: said(v.boolean(), "True if masks are written in place of values."),
  state: v.picklist(REFRESH_STATES),
  attempt: count,
  createdAt: moment,
  startedAt: v.nullable(moment),
  endedAt: v.nullable(moment),
  tables: said(v.nullable(count), "Tables that were compared; null until then."),
  rows: v.nullable(count),
  saved: said(
    v.nullable(v.string()),
    "The backup of what the target held before; null where Nightjar had put that there.",
  ),
  error: v.nullable(errorReport),
});
export const REFRESH: v.InferInput<typeof refreshAnswer> = {
  ...{ id: `shop-${BACKUP_ID}`, into: "staging", trigger: "schedule", backup: BACKUP_ID },
  ...{ takenAt: "2026-11-20T02:00:01.310Z", asOf: "2026-11-20T01:58:40.000Z", sanitized: true },
  ...{ state: "done", attempt: 1, createdAt: "2026-11-20T02:00:09.000Z" },
  ...{ startedAt: "2026-11-20T02:00:10.000Z", endedAt: "2026-11-20T02:00:21.000Z" },
  ...{ tables: 11, rows: 15_607, saved: null, error: null },
};

/** The refresh of a database, as it is configured and as it went. */
export const refreshesAnswer = v.object({
  into: v.string(),
  after: said(v.picklist(AFTER), "What a backup must have passed first."),
  sanitize: v.boolean(),
  last: said(v.nullable(refreshAnswer), "The one that was asked for last."),
  lastGood: said(v.nullable(refreshAnswer), "The last one that ended well."),
});
