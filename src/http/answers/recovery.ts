import * as v from "valibot";
import { TIERS } from "../../plan/tier.ts";
import { leftAnswer, proofOutcome } from "./proof.ts";
import { BACKUP_ID, count, errorReport, moment, next, said } from "./parts.ts";

const pinHolder = v.nullable(v.picklist(["policy", "user"]));

export const pruneAnswer = v.object({
  dryRun: v.boolean(),
  verdicts: v.array(
    v.object({
      id: v.string(),
      database: v.string(),
      tier: v.picklist(TIERS),
      takenAt: moment,
      verification: v.nullable(proofOutcome),
      keep: v.boolean(),
      reason: said(v.string(), "Why, and until when, in words."),
      expiresAt: said(v.nullable(moment), "When the age of its tier ends."),
      pin: pinHolder,
      pinChange: said(
        v.nullable(v.picklist(["made", "removed"])),
        "What this prune does to its pin.",
      ),
    }),
  ),
  failures: v.array(v.object({ id: v.string(), database: v.string(), ...errorReport.entries })),
});
export const PRUNED: v.InferInput<typeof pruneAnswer> = {
  dryRun: true,
  verdicts: [
    {
      ...{ id: BACKUP_ID, database: "shop", tier: "daily", takenAt: "2026-11-20T02:00:01.310Z" },
      ...{ verification: "verified", keep: true, reason: "daily, kept 30d: until 2026-12-20" },
      ...{ expiresAt: "2026-12-20T02:00:01.310Z", pin: null, pinChange: null },
    },
  ],
  failures: [],
};

export const rebuiltAnswer = v.object({
  backups: said(count, "Backups of this part that are in the catalog now."),
  entered: said(count, "Those of them that were not before."),
  lineages: said(count, "Page logs that were entered."),
  left: said(leftAnswer, "What cannot be entered, and why."),
  next,
});
export const REBUILT: v.InferInput<typeof rebuiltAnswer> = {
  ...{ backups: 38, entered: 38, lineages: 1, left: [], next: null },
};

const keys = v.array(v.string());
export const reconciledAnswer = v.object({
  entered: said(keys, "Keys of backups that were whole in the bucket and not in the catalog."),
  missing: said(keys, "Ids of backups whose bytes or manifest are missing: found corrupt now."),
  verifying: said(keys, "Ids of backups that were never verified: being verified now."),
  orphans: said(keys, "Keys that belong to no known backup and no known log; left alone."),
  damaged: said(keys, "Keys of segments of page logs that are not what was written."),
  foreign: said(count, "Objects that are not Nightjar's."),
});
export const RECONCILED: v.InferInput<typeof reconciledAnswer> = {
  ...{ entered: [], missing: [], verifying: [BACKUP_ID], orphans: [], damaged: [], foreign: 0 },
};
