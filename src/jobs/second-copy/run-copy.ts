import type { WorkflowStep } from "cloudflare:workers";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { copyBackup } from "./copy.ts";
import { stepError } from "../step-error.ts";

/** The pauses are 30 s, 1, 2, 4 and 8 minutes; a longer outage is left to the nightly pass. */
const OPTIONS = {
  retries: { limit: 5, delay: "30 seconds", backoff: "exponential" },
  timeout: "2 hours",
} as const;

/**
 * Make a second copy in one step of a durable Workflow, tried again while that can help. The error of a
 * failed copy is on the backup and in the log.
 *
 * @throws the error of the step after all tries have failed
 */
export async function runCopy(
  context: Context,
  backupId: string,
  step: WorkflowStep,
): Promise<void> {
  await step.do("copy", OPTIONS, async () => {
    try {
      await copyBackup(context, backupId);
    } catch (thrown) {
      throw stepError(asNightjarError(thrown));
    }
  });
}
