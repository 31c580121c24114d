import type { WorkflowStep } from "cloudflare:workers";
import { recordOrLog } from "../../audit/record.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { type Act, isBad, type Outcome } from "../../model/proof.ts";
import { prove } from "./prove.ts";
import { refreshAfter } from "../refresh/start.ts";
import { stepError } from "../step-error.ts";

const OPTIONS = {
  retries: { limit: 5, delay: "10 seconds", backoff: "exponential" },
  timeout: "2 hours",
} as const;

/**
 * Run a proof as a step of a durable Workflow. It is tried again while nothing could be known. What waits for
 * it of a scheduled backup is started after it.
 */
export async function runProof(
  context: Context,
  backupId: string,
  act: Act,
  step: WorkflowStep,
): Promise<Outcome> {
  const { outcome, database } = await step.do(act, OPTIONS, async () => {
    const row = { by: NIGHTJAR, action: act, subject: backupId } as const;
    try {
      const proof = await prove(context, backupId, act);
      const found = { outcome: proof.outcome, database: proof.database };
      const ended = isBad(found.outcome) ? "failed" : "done";
      const detail = { outcome: found.outcome };
      await recordOrLog(context, { ...row, database: found.database, outcome: ended, detail });
      return found;
    } catch (thrown) {
      const error = asNightjarError(thrown);
      await recordOrLog(context, { ...row, outcome: "failed", detail: { code: error.code } });
      log.error("proof-failed", error, { backup: backupId, act });
      throw stepError(error);
    }
  });
  if (!isBad(outcome)) await refreshAfter(context, { id: backupId, database }, act, step);
  return outcome;
}
