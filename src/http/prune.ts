import { type Context as HonoContext, Hono } from "hono";
import * as v from "valibot";
import { prune as pruneJob, type PruneReport } from "../jobs/retention/prune.ts";
import { requireApproval } from "./access/approval.ts";
import { needs, note } from "./access/needs.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { about, json } from "./openapi/about.ts";
import { pruneAnswer, PRUNED } from "./answers/recovery.ts";

const schema = v.strictObject({
  dryRun: v.boolean("must be true (judge only) or false (delete)"),
});

/** `/v1/prune`: what the retention policy says of each backup, and doing it. */
export const prune = new Hono<HttpEnv>().post(
  "/",
  about(
    "prune",
    "Delete what the retention policy no longer keeps, or say what it would",
    {
      200: json(pruneAnswer, PRUNED, "What was said of each backup, and what could not be done."),
    },
    { text: "Answers when all is done." },
  ),
  needs("admin", "all", "prune"),
  input("json", schema, { dryRun: true }),
  async (c) => {
    const { dryRun } = c.req.valid("json");
    const now = c.env.deps.now();
    if (!dryRun) await approvePins(c, now);
    const report = await pruneJob(c.env, now, dryRun);
    const kept = report.verdicts.filter(({ keep }) => keep).length;
    note(c, { dryRun, removed: report.verdicts.length - kept, failures: report.failures.length });
    return c.json({ dryRun, ...reportView(report) });
  },
);

/** A prune that would take pins of protected databases away needs the approval of a second person. */
async function approvePins(c: HonoContext<HttpEnv>, now: number): Promise<void> {
  const { verdicts, releases } = await pruneJob(c.env, now, true);
  const doomed = verdicts.filter(({ keep, backup }) => !keep && backup.pin !== null);
  const pins = [...releases, ...doomed.map(({ backup }) => backup)];
  const names = new Set<string>();
  for (const name of new Set(pins.map(({ database }) => database)))
    if (await c.env.fleet.needsApproval(name)) names.add(name);
  const guarded = pins.filter(({ database }) => names.has(database));
  const ids = [...new Set(guarded.map(({ id }) => id))].toSorted();
  await requireApproval(c, {
    action: "prune",
    databases: [...names],
    summary: `prune, which takes the pins of ${ids.length} backups away: ${ids.slice(0, 10).join(", ")}`,
    request: ids,
  });
}

/** Every backup with what is said of it, and what could not be done. */
function reportView({ verdicts, pins, releases, failures }: PruneReport) {
  const pinned = new Set(pins.map(({ id }) => id));
  const released = new Set(releases.map(({ id }) => id));
  const changeOf = (id: string): "made" | "removed" | null =>
    pinned.has(id) ? "made" : released.has(id) ? "removed" : null;
  return {
    verdicts: verdicts.map(({ backup, keep, reason, expiresAt }) => ({
      id: backup.id,
      database: backup.database,
      tier: backup.tier,
      takenAt: new Date(backup.takenAt).toISOString(),
      verification: backup.verification,
      keep,
      reason,
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
      /** The holder of its pin, and the change that this prune makes to it. */
      pin: backup.pin,
      pinChange: changeOf(backup.id),
    })),
    failures: failures.map(({ backup, error }) => ({
      id: backup.id,
      database: backup.database,
      ...error,
    })),
  };
}
