import * as v from "valibot";
import { BACKUP_ID, count, errorReport, moment, next, said, SHA, sha256 } from "./parts.ts";

export const act = v.picklist(["verify", "drill"]);
export const proofOutcome = v.picklist(["verified", "corrupt", "passed", "failed", "unproven"]);

export const proofAnswer = v.object({
  format: count,
  nightjar: v.string(),
  act,
  backup: v.string(),
  database: v.string(),
  key: said(v.string(), "Key of the bytes that were read."),
  proofKey: v.string(),
  runId: said(v.nullable(v.string()), "The run that it belongs to; null for a proof of its own."),
  startedAt: moment,
  finishedAt: moment,
  outcome: proofOutcome,
  problem: said(v.nullable(errorReport), "The first problem, or why nothing could be proven."),
  checks: v.array(v.object({ name: v.string(), ok: v.boolean(), detail: v.string() })),
  tables: said(
    v.array(v.object({ name: v.string(), rows: count, sha256 })),
    "The tables as SQLite reads them in a drill; empty for a verify.",
  ),
  recoveryMs: said(
    v.nullable(v.pipe(v.number(), v.minValue(0))),
    "From the first byte read until the database could be queried; null for a verify.",
  ),
});
export const proofsAnswer = v.object({ proofs: v.array(proofAnswer) });

/** The newest proof of an act, as a backup shows it. */
export const proofSummary = v.object({
  outcome: proofOutcome,
  at: moment,
  proofKey: v.string(),
  problem: v.nullable(errorReport),
  recoveryMs: v.nullable(v.pipe(v.number(), v.minValue(0))),
});

export const knownBadAnswer = v.object({
  act,
  outcome: proofOutcome,
  at: moment,
  problem: v.nullable(errorReport),
});

const KEY = `manual/shop/2026/11/20/20261120T020001Z-${BACKUP_ID}.db.zst`;
export const PROOF: v.InferInput<typeof proofAnswer> = {
  ...{ format: 1, nightjar: "0.1.0", act: "verify", backup: BACKUP_ID, database: "shop", key: KEY },
  proofKey: `${KEY}.verify-20261120T030000Z.json`,
  ...{ runId: null, startedAt: "2026-11-20T03:00:00.000Z", finishedAt: "2026-11-20T03:00:00.412Z" },
  ...{ outcome: "verified", problem: null },
  checks: [{ name: "stored bytes", ok: true, detail: "21733 bytes have the hash of the manifest" }],
  ...{ tables: [], recoveryMs: null },
};
export const DRILL: v.InferInput<typeof proofAnswer> = {
  ...{ ...PROOF, act: "drill", outcome: "passed" },
  proofKey: `${KEY}.drill-20261120T030500Z.json`,
  ...{ startedAt: "2026-11-20T03:05:00.000Z", finishedAt: "2026-11-20T03:05:01.090Z" },
  checks: [{ name: "integrity", ok: true, detail: "integrity_check says ok" }],
  ...{ tables: [{ name: "artists", rows: 275, sha256: SHA }], recoveryMs: 640 },
};

/** What was found damaged, or could not be entered. */
export const leftAnswer = v.array(v.object({ key: v.string(), error: errorReport }));
export const logVerifiedAnswer = v.object({
  segments: count,
  bytes: count,
  damaged: said(leftAnswer, "Segments that are not what was written."),
  next,
});
