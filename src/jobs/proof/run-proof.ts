import type { WorkflowStep } from "cloudflare:workers";
import { recordOrLog } from "../../audit/record.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import { NIGHTJAR } from "../../model/actor.ts";
import { type Act, isBad, type Outcome } from "../../model/proof.ts";
import { prove } from "./prove.ts";
import { stepError } from "../step-error.ts";

const OPTIONS = {
  retries: { limit: 5, delay: "10 seconds", backoff: "exponential" },
  timeout: "2 hours",
} as const;

/** Run a proof as the one step of a durable Workflow. It is tried again while nothing could be known. */
export async function runProof(
  context: Context,
  backupId: string,
  act: Act,
  step: WorkflowStep,
): Promise<Outcome> {
  return step.do(act, OPTIONS, async () => {
    const row = { by: NIGHTJAR, action: act, subject: backupId } as const;
    try {
      const { outcome: found, database } = await prove(context, backupId, act);
      const outcome = isBad(found) ? "failed" : "done";
      await recordOrLog(context, { ...row, database, outcome, detail: { outcome: found } });
      return found;
    } catch (thrown) {
      const error = asNightjarError(thrown);
      await recordOrLog(context, { ...row, outcome: "failed", detail: { code: error.code } });
      log.error("proof-failed", error, { backup: backupId, act });
      throw stepError(error);
    }
  });
}
