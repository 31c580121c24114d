import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { ifStopped } from "./files/unfinished.ts";
import { size } from "./output.ts";
import { Progress } from "./progress.ts";

/** Interval at which a run is asked for, ms. */
const ASK_EVERY = 500;

/** Get a run as it is now. */
export function getRun(client: Client, id: string) {
  return bodyOf(client.v1.runs[":id"].$get({ param: { id } }));
}

/**
 * Show how a run is getting on until it has finished.
 *
 * @param until ms since the epoch
 * @throws CliError `STILL_RUNNING` where it has not finished until then
 */
export function followRun(client: Client, id: string, quiet: boolean, until = Infinity) {
  const goesOn = `Run ${id} goes on without this command: see nightjar run ${id}.`;
  return ifStopped(goesOn, async () => {
    const progress = new Progress(quiet);
    for (;;) {
      const run = await getRun(client, id);
      if (run.finishedAt !== null) {
        progress.end();
        return run;
      }
      if (Date.now() > until)
        throw new CliError(EXIT.failed, `Run ${id} is still ${run.state}.`, {
          hint: `${goesOn} Give it more time with --timeout.`,
          code: "STILL_RUNNING",
        });
      const again = run.attempt > 1 ? ` (attempt ${run.attempt}, after ${run.error?.code})` : "";
      const bytes = run.rawBytes > 0 ? ` ${size(run.rawBytes)}` : "";
      progress.show(`${run.state}${bytes}${again}`);
      await sleep(ASK_EVERY);
    }
  });
}
