import type { WorkflowStep } from "cloudflare:workers";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Act, Outcome } from "../../model/proof.ts";
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
    try {
      return (await prove(context, backupId, act)).outcome;
    } catch (thrown) {
      const error = asNightjarError(thrown);
      log.error("proof-failed", error, { backup: backupId, act });
      throw stepError(error);
    }
  });
}
