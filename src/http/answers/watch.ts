import * as v from "valibot";
import { RULE_NAMES, SEVERITIES } from "../../plan/alerts/alert.ts";
import { STATES } from "../../plan/freshness.ts";
import { count, errorReport, moment, next, said } from "./parts.ts";

const incident = v.object({
  id: v.string(),
  rule: v.picklist(RULE_NAMES),
  severity: v.picklist(SEVERITIES),
  database: v.nullable(v.string()),
  subject: v.nullable(v.string()),
  title: v.string(),
  summary: v.string(),
  hint: v.string(),
  openedAt: moment,
  closedAt: said(v.nullable(moment), "Null while it is open."),
  channels: said(v.array(v.string()), "Who was told."),
});
export const incidentAnswer = v.object({
  ...incident.entries,
  deliveries: v.array(
    v.object({
      channel: v.string(),
      kind: v.string(),
      createdAt: moment,
      attempts: count,
      error: v.nullable(errorReport),
      deliveredAt: v.nullable(moment),
      abandonedAt: v.nullable(moment),
    }),
  ),
});
export const incidentsAnswer = v.object({ incidents: v.array(incident), next });

const INCIDENT: v.InferInput<typeof incident> = {
  ...{ id: "b6n2y8k4s1ef", rule: "late", severity: "warning", database: "shop", subject: null },
  title: "shop: its backup is late",
  summary: "The newest good backup of shop was taken 30 h ago; one is due every 24 h.",
  hint: "`nightjar status shop` tells how its last run went.",
  ...{ openedAt: "2026-11-20T08:00:00.000Z", closedAt: null, channels: ["ops"] },
};
export const INCIDENTS: v.InferInput<typeof incidentsAnswer> = {
  incidents: [INCIDENT],
  next: null,
};
export const INCIDENT_DETAIL: v.InferInput<typeof incidentAnswer> = {
  ...INCIDENT,
  deliveries: [
    {
      ...{ channel: "ops", kind: "opened", createdAt: "2026-11-20T08:00:00.000Z", attempts: 1 },
      ...{ error: null, deliveredAt: "2026-11-20T08:00:01.000Z", abandonedAt: null },
    },
  ],
};

export const channelsAnswer = v.object({
  channels: v.array(
    v.object({
      name: v.string(),
      type: v.nullable(v.picklist(["webhook", "discord", "slack", "pagerduty", "email"])),
      mistakes: v.array(v.object({ path: v.string(), fix: v.string() })),
      pending: said(count, "Messages that wait to be sent."),
      databases: v.nullable(v.array(v.string())),
      severity: v.nullable(v.picklist(SEVERITIES)),
      failingSince: v.nullable(moment),
      lastDeliveredAt: v.nullable(moment),
      error: v.nullable(errorReport),
    }),
  ),
});
export const CHANNELS: v.InferInput<typeof channelsAnswer> = {
  channels: [
    {
      ...{ name: "ops", type: "slack", mistakes: [], pending: 0, databases: null },
      ...{ severity: "warning", failingSince: null },
      ...{ lastDeliveredAt: "2026-11-20T08:00:01.000Z", error: null },
    },
  ],
};

export const testedAnswer = v.object({
  results: v.array(
    v.object({
      channel: v.string(),
      error: said(v.nullable(errorReport), "Null if the channel took the message."),
    }),
  ),
});
export const TESTED: v.InferInput<typeof testedAnswer> = {
  results: [{ channel: "ops", error: null }],
};

const dollars = v.pipe(v.number(), v.minValue(0));
export const costAnswer = v.object({
  pricesAsOf: v.string(),
  currency: v.literal("USD"),
  total: dollars,
  databases: v.array(
    v.object({
      database: v.string(),
      storage: said(v.record(v.string(), dollars), "By tier, pins and page log."),
      operations: said(dollars, "Writes and reads of R2."),
      compute: dollars,
      source: said(dollars, "What Turso bills for being read."),
      total: dollars,
    }),
  ),
});
export const COST: v.InferInput<typeof costAnswer> = {
  ...{ pricesAsOf: "2026-11-01", currency: "USD", total: 0.0105 },
  databases: [
    {
      ...{ database: "shop", storage: { daily: 0.004, log: 0.001 }, operations: 0.003 },
      ...{ compute: 0.002, source: 0.0005, total: 0.0105 },
    },
  ],
};

export const healthAnswer = v.object({
  status: v.picklist(["ok", "failing", "asleep"]),
  cron: v.object({ at: v.nullable(moment), error: v.nullable(v.string()) }),
  databases: count,
  states: said(v.record(v.string(), count), "How many databases are in each state."),
  failing: v.array(v.object({ database: v.string(), state: v.picklist(STATES) })),
});
export const HEALTH: v.InferInput<typeof healthAnswer> = {
  ...{ status: "ok", cron: { at: "2026-11-20T08:00:00.000Z", error: null } },
  ...{ databases: 3, states: { fresh: 3 }, failing: [] },
};
export const FAILING: typeof HEALTH = {
  ...{ ...HEALTH, status: "failing", states: { fresh: 2, late: 1 } },
  failing: [{ database: "shop", state: "late" }],
};

export const databaseHealthAnswer = v.object({
  database: v.string(),
  state: v.picklist(STATES),
  takenAt: v.nullable(moment),
  verifiedTakenAt: v.nullable(moment),
  confirmedAt: said(
    v.nullable(moment),
    "Until when nothing had changed since the newest backup, where its server was asked.",
  ),
});
export const DATABASE_HEALTH: v.InferInput<typeof databaseHealthAnswer> = {
  ...{ database: "shop", state: "fresh", takenAt: "2026-11-20T02:00:01.310Z" },
  ...{ verifiedTakenAt: "2026-11-20T02:00:01.310Z", confirmedAt: null },
};

export const aliveAnswer = v.object({
  status: v.literal("ok"),
  version: v.string(),
  databases: count,
  migration: v.object({
    applied: said(v.nullable(v.string()), "The catalog's newest one; null if it has no list."),
    needed: said(v.string(), "The newest one that this Nightjar knows."),
  }),
});
export const ALIVE: v.InferInput<typeof aliveAnswer> = {
  ...{ status: "ok", version: "0.1.0", databases: 3 },
  migration: { applied: "0012_fleet.sql", needed: "0012_fleet.sql" },
};

export const badgeAnswer = v.object({
  schemaVersion: v.literal(1),
  cacheSeconds: count,
  label: v.string(),
  message: v.string(),
  color: v.picklist(["brightgreen", "orange", "red", "lightgrey"]),
});
export const BADGE: v.InferInput<typeof badgeAnswer> = {
  ...{ schemaVersion: 1, cacheSeconds: 300, label: "backup", message: "6 h ago" },
  color: "brightgreen",
};
