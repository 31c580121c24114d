import * as v from "valibot";
import { RUN_STATES } from "../../model/run-state.ts";
import { TIERS } from "../../plan/tier.ts";
import { BACKUP_ID, count, errorReport, moment, next, RUN_ID, said } from "./parts.ts";

export const runAnswer = v.object({
  id: v.string(),
  database: v.string(),
  trigger: v.picklist(["cron", "api", "deploy"]),
  tier: v.picklist(TIERS),
  name: v.nullable(v.string()),
  labels: v.record(v.string(), v.string()),
  scheduledFor: said(v.nullable(moment), "The scheduled moment, for runs of the cron."),
  state: v.picklist(RUN_STATES),
  attempt: said(count, "Attempts begun so far."),
  rawBytes: said(count, "Bytes read so far, of the dump or the database file."),
  storedBytes: said(count, "Bytes stored so far."),
  error: said(v.nullable(errorReport), "The error of the last attempt that failed."),
  backupId: v.nullable(v.string()),
  createdAt: moment,
  startedAt: v.nullable(moment),
  updatedAt: moment,
  finishedAt: v.nullable(moment),
});
export const runsAnswer = v.object({ runs: v.array(runAnswer), next });

export const RUN: v.InferInput<typeof runAnswer> = {
  ...{ id: RUN_ID, database: "shop", trigger: "api", tier: "manual", name: null, labels: {} },
  ...{ scheduledFor: null, state: "done", attempt: 1, rawBytes: 102_400, storedBytes: 21_733 },
  ...{ error: null, backupId: BACKUP_ID, createdAt: "2026-11-20T02:00:00.000Z" },
  ...{ startedAt: "2026-11-20T02:00:01.204Z", updatedAt: "2026-11-20T02:00:03.911Z" },
  finishedAt: "2026-11-20T02:00:03.911Z",
};
export const QUEUED_RUN: v.InferInput<typeof runAnswer> = {
  ...{ ...RUN, state: "queued", attempt: 0, rawBytes: 0, storedBytes: 0, backupId: null },
  ...{ startedAt: null, updatedAt: RUN.createdAt, finishedAt: null },
};
