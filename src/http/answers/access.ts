import * as v from "valibot";
import { ACTIONS, OUTCOMES } from "../../model/audit.ts";
import { SCOPES } from "../../plan/access.ts";
import { BACKUP_ID, count, moment, next, said, SHA, sha256 } from "./parts.ts";

const tokenAnswer = v.object({
  id: v.string(),
  name: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  databases: said(v.nullable(v.array(v.string())), "Null for all."),
  state: v.picklist(["valid", "expired", "revoked"]),
  createdBy: v.string(),
  createdAt: moment,
  expiresAt: v.nullable(moment),
  lastUsedAt: v.nullable(moment),
  revokedAt: v.nullable(moment),
});
export const newTokenAnswer = v.object({
  ...tokenAnswer.entries,
  token: said(v.string(), "The token itself. It is shown this once, and stored as a hash."),
});
export const callerAnswer = v.object({
  id: said(v.string(), "`root`, `token:<id>` or `access:<address>`."),
  name: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  databases: said(v.nullable(v.array(v.string())), "Null for all."),
  expiresAt: v.nullable(moment),
  now: said(moment, "Nightjar's clock."),
  version: said(v.string(), "Nightjar's version."),
});
export const tokensAnswer = v.object({ tokens: v.array(tokenAnswer), next });

const TOKEN: v.InferInput<typeof tokenAnswer> = {
  ...{ id: "k3v8m1c6x9ta", name: "ci", scopes: ["read", "backup"], databases: ["shop"] },
  ...{ state: "valid", createdBy: "ADMIN_TOKEN", createdAt: "2026-11-20T08:00:00.000Z" },
  ...{ expiresAt: "2027-02-18T08:00:00.000Z", lastUsedAt: null, revokedAt: null },
};
export const CALLER: v.InferInput<typeof callerAnswer> = {
  ...{ id: "token:k3v8m1c6x9ta", name: "ci", scopes: ["read", "backup"], databases: ["shop"] },
  ...{ expiresAt: "2027-02-18T08:00:00.000Z", now: "2026-11-20T08:00:00.000Z" },
  version: "0.1.0",
};
export const NEW_TOKEN: v.InferInput<typeof newTokenAnswer> = {
  ...TOKEN,
  token: "nightjar_k3v8m1c6x9ta_…",
};
export const TOKENS: v.InferInput<typeof tokensAnswer> = { tokens: [TOKEN], next: null };

export const auditRow = v.object({
  seq: count,
  at: moment,
  actor: v.string(),
  actorName: v.string(),
  action: v.picklist(ACTIONS),
  outcome: v.picklist(OUTCOMES),
  database: v.nullable(v.string()),
  subject: said(v.nullable(v.string()), "The id of what it was done to."),
  detail: v.looseObject({}),
  previous: said(v.string(), "The hash of the row before."),
  hash: sha256,
});
export const auditAnswer = v.object({ rows: v.array(auditRow), next });
export const auditVerifiedAnswer = v.object({
  rows: count,
  heads: said(count, "Heads in the bucket that were compared."),
  fault: said(
    v.nullable(v.object({ seq: count, problem: v.string() })),
    "The first place that is wrong; null if there is none.",
  ),
  next,
});

const ROW: v.InferInput<typeof auditRow> = {
  ...{ seq: 1042, at: "2026-11-20T08:00:00.000Z", actor: "k3v8m1c6x9ta", actorName: "ci" },
  ...{ action: "backup", outcome: "done", database: "shop", subject: null },
  ...{ detail: { tier: "manual" }, previous: SHA, hash: SHA },
};
export const AUDIT: v.InferInput<typeof auditAnswer> = { rows: [ROW], next: null };
export const AUDIT_LINES = `${JSON.stringify(ROW)}\n`;
export const AUDIT_VERIFIED: v.InferInput<typeof auditVerifiedAnswer> = {
  ...{ rows: 1042, heads: 19, fault: null, next: null },
};

export const approvalAnswer = v.object({
  id: v.string(),
  action: v.picklist(ACTIONS),
  databases: v.array(v.string()),
  summary: v.string(),
  state: v.picklist(["waiting", "granted", "denied", "used", "expired"]),
  requestedBy: v.string(),
  requestedByName: v.string(),
  requestedAt: moment,
  expiresAt: moment,
  decidedBy: v.nullable(v.string()),
  decidedByName: v.nullable(v.string()),
  decidedAt: v.nullable(moment),
  usedAt: v.nullable(moment),
});
export const approvalsAnswer = v.object({ approvals: v.array(approvalAnswer), next });

export const APPROVAL: v.InferInput<typeof approvalAnswer> = {
  ...{ id: "p0x4r7d2w9kn", action: "unpin", databases: ["shop"] },
  ...{ summary: `unpin backup ${BACKUP_ID} of shop`, state: "waiting" },
  ...{ requestedBy: "k3v8m1c6x9ta", requestedByName: "ci" },
  ...{ requestedAt: "2026-11-20T08:00:00.000Z", expiresAt: "2026-11-20T09:00:00.000Z" },
  ...{ decidedBy: null, decidedByName: null, decidedAt: null, usedAt: null },
};
const DECIDED = {
  ...{ decidedBy: "q8b5t1z3f6hm", decidedByName: "ana" },
  decidedAt: "2026-11-20T08:10:00.000Z",
};
export const GRANTED: typeof APPROVAL = { ...APPROVAL, ...DECIDED, state: "granted" };
export const DENIED: typeof APPROVAL = { ...APPROVAL, ...DECIDED, state: "denied" };
