import * as v from "valibot";
import { STATES } from "../../plan/freshness.ts";
import { BACKUP_SUMMARY, backupSummaryAnswer, place } from "./backup.ts";
import { REFRESH, refreshesAnswer } from "./refresh.ts";
import { RUN, runAnswer } from "./run.ts";
import { BACKUP_ID, count, errorReport, LINEAGE, moment, next, said } from "./parts.ts";

const objectiveAnswer = v.object({
  state: v.picklist(["none", "unknown", "met", "at-risk", "missed"]),
  objectiveSeconds: v.nullable(count),
  measuredSeconds: v.nullable(count),
  predictedSeconds: v.nullable(count),
});
const provenAnswer = v.object({
  id: v.string(),
  takenAt: moment,
  recoveryMs: v.nullable(v.pipe(v.number(), v.minValue(0))),
});

export const databaseAnswer = v.object({
  name: v.string(),
  origin: said(
    v.nullable(v.picklist(["DATABASES", "TURSO"])),
    "The section of the configuration that protects it; null for one that is not configured any more.",
  ),
  group: said(v.nullable(v.string()), "Turso's group, of one that TURSO protects."),
  url: v.nullable(v.string()),
  namespace: v.nullable(v.string()),
  schedule: said(v.nullable(v.string()), "A cron expression."),
  badge: v.nullable(v.picklist(["public", "private"])),
  capture: v.nullable(v.picklist(["auto", "pages", "rows", "dump"])),
  state: said(
    v.picklist([...STATES, "not configured"]),
    "docs/verification.md says what each one means.",
  ),
  mistakes: said(
    v.array(v.object({ path: v.string(), fix: v.string() })),
    "What is wrong in its configuration.",
  ),
  nextScheduledAt: v.nullable(moment),
  recoveryPoint: v.nullable(objectiveAnswer),
  recoveryTime: v.nullable(objectiveAnswer),
  follow: said(
    v.nullable(
      v.object({
        seconds: v.number(),
        triedAt: v.nullable(moment),
        failures: count,
        error: v.nullable(errorReport),
      }),
    ),
    "How following its changes goes; null if only its backups pull.",
  ),
  log: said(
    v.nullable(
      v.object({
        ...place.entries,
        committedAt: v.nullable(moment),
        checkedAt: v.nullable(moment),
      }),
    ),
    "Where its page log stands; null if it has none.",
  ),
  lastRun: v.nullable(runAnswer),
  backups: said(count, "How many backups are stored."),
  newestBackup: v.nullable(backupSummaryAnswer),
  newestVerified: v.nullable(provenAnswer),
  newestDrilled: v.nullable(provenAnswer),
  refresh: said(
    v.nullable(refreshesAnswer),
    "The database that gets its scheduled backups, and how that went; null if none does.",
  ),
  badgeUrl: v.nullable(v.string()),
});
export const databasesAnswer = v.object({
  databases: v.array(databaseAnswer),
  healthUrl: said(
    v.nullable(v.string()),
    "The address of the health of all databases, with its key; null for a token limited to some.",
  ),
  next,
});

export const DATABASE: v.InferInput<typeof databaseAnswer> = {
  ...{ name: "shop", origin: "DATABASES", group: null },
  ...{ url: "https://shop-acme.turso.io", namespace: null, schedule: "0 2 * * *" },
  ...{ badge: "public", capture: "auto", state: "fresh", mistakes: [] },
  nextScheduledAt: "2026-11-21T02:00:00.000Z",
  recoveryPoint: {
    ...{ state: "met", objectiveSeconds: 3600, measuredSeconds: 240, predictedSeconds: 360 },
  },
  recoveryTime: {
    ...{ state: "met", objectiveSeconds: 600, measuredSeconds: 1, predictedSeconds: 2 },
  },
  follow: { seconds: 300, triedAt: "2026-11-20T08:00:00.000Z", failures: 0, error: null },
  log: {
    ...{ lineage: LINEAGE, txid: 415, committedAt: "2026-11-20T07:56:10.000Z" },
    checkedAt: "2026-11-20T08:00:00.000Z",
  },
  ...{ lastRun: RUN, backups: 38, newestBackup: BACKUP_SUMMARY },
  newestVerified: { id: BACKUP_ID, takenAt: BACKUP_SUMMARY.takenAt, recoveryMs: null },
  refresh: {
    ...{ into: "staging", after: "drill", sanitize: true, last: REFRESH, lastGood: REFRESH },
  },
  ...{ newestDrilled: null, badgeUrl: "https://nightjar.example/badge/shop.svg" },
};

export const timelineAnswer = v.object({
  database: v.string(),
  window: said(
    v.object({ from: v.nullable(moment), to: v.nullable(moment) }),
    "The moments that can be asked for.",
  ),
  changes: v.array(
    v.object({
      at: said(moment, "The latest moment that is possible for its commit."),
      uncertaintyMs: said(
        v.nullable(count),
        "It may have been made so much earlier; null where that is not known.",
      ),
      clockOffsetMs: said(
        v.nullable(v.number()),
        "How far the server's clock was ahead; null where its time was not used.",
      ),
      lineage: v.string(),
      txid: count,
      commits: count,
      pages: count,
      bytes: said(count, "As stored."),
      pageCount: said(count, "Of the database then."),
      whole: said(v.boolean(), "True where the log begins, with every page."),
    }),
  ),
  next,
});
export const TIMELINE: v.InferInput<typeof timelineAnswer> = {
  database: "shop",
  window: { from: "2026-11-01T02:00:14.000Z", to: "2026-11-20T08:00:00.000Z" },
  changes: [
    {
      ...{ at: "2026-11-20T07:56:10.000Z", uncertaintyMs: 0, clockOffsetMs: -12 },
      ...{ lineage: LINEAGE, txid: 415, commits: 3, pages: 7, bytes: 6120, pageCount: 25 },
      whole: false,
    },
  ],
  next: null,
};

export const sourceAnswer = v.object({
  database: v.string(),
  ms: said(count, "How long its server took to tell."),
  method: said(
    v.nullable(
      v.object({
        protocol: v.picklist(["pull-updates", "sync", "replica", "dbpage", "rows", "dump"]),
        image: said(v.boolean(), "True if whole databases are read through `sqlite_dbpage`."),
        why: v.string(),
      }),
    ),
    "How it is read best; null where its server did not say.",
  ),
  error: v.nullable(errorReport),
  token: said(
    v.nullable(
      v.object({
        expiresAt: said(
          v.nullable(moment),
          "Null where the token does not tell, or never expires.",
        ),
        readOnly: said(v.nullable(v.boolean()), "Null where the token does not tell."),
      }),
    ),
    "The source's token, as it describes itself; null for none.",
  ),
  turso: said(
    v.nullable(
      v.object({
        allowedIps: said(
          v.nullable(v.array(v.string())),
          "The only addresses that may connect; null where all may.",
        ),
        allowedVpcs: said(
          v.nullable(v.array(v.string())),
          "The AWS endpoints through which alone one may connect; null where that is not so.",
        ),
        deleteProtected: said(v.nullable(v.boolean()), "Null where Turso did not tell."),
        error: v.nullable(errorReport),
      }),
    ),
    "What Turso lets happen to it, of one that TURSO protects.",
  ),
});
export const SOURCE: v.InferInput<typeof sourceAnswer> = {
  ...{ database: "shop", ms: 84, error: null },
  method: {
    ...{ protocol: "replica", image: true },
    why: "no sync protocol; replication is offered, sqlite_dbpage gives its base",
  },
  token: { expiresAt: "2027-02-18T08:00:00.000Z", readOnly: true },
  turso: null,
};

export const pulledAnswer = v.object({
  database: v.string(),
  log: said(v.nullable(place), "Null where there is no log yet: the next backup begins it."),
});
