import { setTimeout as sleep } from "node:timers/promises";
import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { ifStopped } from "./files/unfinished.ts";
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
    let expected: number | undefined;
    for (let asked = 0; ; asked++) {
      const run = await getRun(client, id);
      if (asked === 1) expected = await expectedBytes(client, run.database);
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
      if (run.rawBytes > 0 && again === "") progress.count(run.state, run.rawBytes, expected, true);
      else progress.show(`${run.state}${again}`);
      await sleep(ASK_EVERY);
    }
  });
}

/** Return how many bytes a run will likely read: as many as the newest backup has. */
async function expectedBytes(client: Client, db: string): Promise<number | undefined> {
  const { newestBackup } = await bodyOf(client.v1.databases[":db"].$get({ param: { db } }));
  return newestBackup?.raw.bytes;
}
