import { Hono } from "hono";
import * as v from "valibot";
import { prune as pruneJob } from "../jobs/prune.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";

const schema = v.strictObject({
  dryRun: v.boolean("must be true (judge only) or false (delete)"),
});

/** `/v1/prune`: what the retention policy says of each backup, and doing it. */
export const prune = new Hono<HttpEnv>().post("/", input("json", schema), async (c) => {
  const { dryRun } = c.req.valid("json");
  const verdicts = await pruneJob(c.env, c.env.deps.now(), dryRun);
  return c.json({
    dryRun,
    verdicts: verdicts.map(({ backup, keep, reason, expiresAt }) => ({
      id: backup.id,
      database: backup.database,
      tier: backup.tier,
      takenAt: new Date(backup.takenAt).toISOString(),
      keep,
      reason,
      expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    })),
  });
});
