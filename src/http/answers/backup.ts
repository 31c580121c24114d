import * as v from "valibot";
import { FORMATS } from "../../plan/formats.ts";
import { TIERS } from "../../plan/tier.ts";
import { knownBadAnswer, proofSummary } from "./proof.ts";
import {
  BACKUP_ID,
  count,
  errorReport,
  LINEAGE,
  moment,
  next,
  RUN_ID,
  said,
  SHA,
  sha256,
} from "./parts.ts";

const content = v.object({ bytes: count, sha256 });
export const place = v.object({ lineage: v.string(), txid: count });

const method = v.object({
  protocol: v.picklist(["pull-updates", "sync", "replica", "dbpage", "rows", "dump"]),
  image: said(v.boolean(), "True if whole databases are read through `sqlite_dbpage`."),
  why: said(v.string(), "The reason for the method, for people."),
});

const snapshot = v.object({
  method,
  pageSize: count,
  pageCount: count,
  committedAt: said(moment, "Its last commit, if the server reports it."),
  log: said(
    v.nullable(place),
    "Where in the page log it was made from; null if it was read whole.",
  ),
  cursor: said(
    v.nullable(
      v.looseObject({ protocol: v.picklist(["pull-updates", "replica", "sync", "dbpage"]) }),
    ),
    "The place in the source's history after a snapshot that was read whole.",
  ),
  journal: v.picklist(["wal", "rollback"]),
  encoding: v.optional(v.picklist(["UTF-8", "UTF-16le", "UTF-16be"])),
  spotCheck: said(
    v.optional(v.object({ pages: count, why: v.nullable(v.string()) })),
    "Pages that the server gave once more and that were the same, or why none were compared.",
  ),
});

/** The manifest of a backup (docs/format.md), with what it can be downloaded as. */
const manifest = {
  format: count,
  nightjar: v.string(),
  id: v.string(),
  database: v.string(),
  tier: v.picklist(TIERS),
  name: v.nullable(v.string()),
  labels: v.record(v.string(), v.string()),
  runId: v.string(),
  trigger: v.picklist(["cron", "api", "deploy"]),
  run: v.object({ attempt: count, queuedAt: moment, startedAt: moment }),
  scheduledFor: v.nullable(moment),
  takenAt: moment,
  finishedAt: moment,
  manifestKey: v.string(),
  key: v.string(),
  pin: v.nullable(v.object({ by: v.picklist(["policy", "user"]), reason: v.string(), at: moment })),
  kind: v.picklist(["dump", "snapshot"]),
  raw: said(content, "The dump's SQL text, or the database file."),
  stored: said(content, "The bytes as they are stored."),
  encryption: v.optional(
    v.object({ format: v.literal("age"), recipients: v.array(v.string()), content }),
  ),
  source: v.object({
    url: v.string(),
    namespace: v.nullable(v.string()),
    version: v.nullable(v.string()),
    unknown: said(v.array(v.string()), "What the server could not be asked for, and why."),
  }),
  snapshot: said(v.nullable(snapshot), "Null for a dump."),
  method: said(v.optional(method), "Of a dump that Nightjar wrote itself, of rows."),
  schema: v.object({
    hash: sha256,
    userVersion: v.nullable(v.pipe(v.number(), v.integer())),
    migration: said(
      v.nullable(v.object({ table: v.string(), name: v.string() })),
      "The newest row of a migrations table of a known kind.",
    ),
  }),
  rows: count,
  warnings: v.array(v.object({ code: v.string(), where: v.string(), count, message: v.string() })),
  formats: said(v.array(v.picklist(FORMATS)), "What it can be downloaded as."),
};
const tables = v.array(
  v.object({
    name: v.string(),
    rows: said(v.nullable(count), "Null for a virtual table."),
  }),
);

const copyAnswer = v.object({
  state: v.picklist(["copying", "copied", "failed"]),
  at: moment,
  to: v.string(),
  error: v.nullable(errorReport),
});
export const copiedAnswer = v.object({
  backup: v.string(),
  database: v.string(),
  ...copyAnswer.entries,
});

/** What the catalog knows of a backup. */
const proven = {
  verification: said(v.nullable(proofSummary), "The newest verify."),
  drill: said(v.nullable(proofSummary), "The newest drill."),
  knownBad: said(v.nullable(knownBadAnswer), "The proof that it is bad; null if there is none."),
  copy: said(v.nullable(copyAnswer), "Its second copy; null before the first try."),
  confirmed: said(
    v.nullable(v.object({ times: count, at: moment })),
    "Scheduled backups that it stands for because nothing had changed since, and until when that is known; null for none.",
  ),
};

export const manifestAnswer = v.object({ ...manifest, tables });
export const backupAnswer = v.object({ ...manifest, tables, ...proven });
export const backupSummaryAnswer = v.object({ ...manifest, ...proven, tableCount: count });
export const backupsAnswer = v.object({
  configured: said(v.boolean(), "False if the configuration no longer names the database."),
  backups: v.array(backupSummaryAnswer),
  next,
});

const KEY = `manual/shop/2026/11/20/20261120T020001Z-${BACKUP_ID}`;
const FACTS: Omit<v.InferInput<typeof manifestAnswer>, "tables"> = {
  ...{ format: 1, nightjar: "0.1.0", id: BACKUP_ID, database: "shop", tier: "manual" },
  ...{ name: "before the price change", labels: { commit: "4f2a91c" }, runId: RUN_ID },
  trigger: "api",
  run: {
    ...{ attempt: 1, queuedAt: "2026-11-20T02:00:00.000Z" },
    startedAt: "2026-11-20T02:00:01.204Z",
  },
  ...{ scheduledFor: null, takenAt: "2026-11-20T02:00:01.310Z" },
  finishedAt: "2026-11-20T02:00:03.911Z",
  ...{ manifestKey: `${KEY}.json`, key: `${KEY}.db.zst`, pin: null, kind: "snapshot" },
  ...{ raw: { bytes: 102_400, sha256: SHA }, stored: { bytes: 21_733, sha256: SHA } },
  source: {
    ...{ url: "https://shop-acme.turso.io", namespace: null },
    ...{ version: "sqld 0.24.31", unknown: [] },
  },
  snapshot: {
    method: { protocol: "replica", image: false, why: "the server offers its replication log" },
    ...{ pageSize: 4096, pageCount: 25, committedAt: "2026-11-20T01:58:40.000Z" },
    ...{ log: { lineage: LINEAGE, txid: 412 }, cursor: null, journal: "wal" },
  },
  schema: {
    ...{ hash: SHA, userVersion: 7 },
    migration: { table: "__drizzle_migrations", name: "0042_prices" },
  },
  ...{ rows: 275, warnings: [] },
  formats: ["db.zst", "db", "sql.gz", "sql", "sql.zst"],
};
const PROVEN: Pick<v.InferInput<typeof backupAnswer>, keyof typeof proven> = {
  verification: {
    ...{ outcome: "verified", at: "2026-11-20T02:00:03.700Z" },
    proofKey: `${KEY}.db.zst.verify-20261120T020003Z.json`,
    ...{ problem: null, recoveryMs: null },
  },
  ...{ drill: null, knownBad: null, copy: null, confirmed: null },
};
export const MANIFEST: v.InferInput<typeof manifestAnswer> = {
  ...FACTS,
  tables: [{ name: "artists", rows: 275 }],
};
export const PINNED: typeof MANIFEST = {
  ...MANIFEST,
  pin: { by: "user", reason: "before the migration", at: "2026-11-20T04:00:00.000Z" },
};
export const BACKUP: v.InferInput<typeof backupAnswer> = { ...MANIFEST, ...PROVEN };
export const BACKUP_SUMMARY: v.InferInput<typeof backupSummaryAnswer> = {
  ...{ ...FACTS, ...PROVEN, tableCount: 1 },
};
export const COPIED: v.InferInput<typeof copiedAnswer> = {
  ...{ backup: BACKUP_ID, database: "shop", state: "copied", at: "2026-11-20T02:01:00.000Z" },
  ...{ to: "s3.eu-central-003.backblazeb2.com/nightjar-copy", error: null },
};
