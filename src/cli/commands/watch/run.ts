import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { followRun, getRun } from "../../follow-run.ts";
import { moment, print, printJson, size } from "../../output.ts";

export default defineCommand({
  meta: { name: "run", description: "Show how a run is getting on, or wait for its end" },
  args: {
    run: { type: "positional", description: "The run's id", required: true },
    wait: { type: "boolean", description: "Wait until it has finished", default: false },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const run = args.wait
      ? await followRun(client, args.run, args.json)
      : await getRun(client, args.run);
    if (args.json) printJson(run);
    if (run.state === "failed")
      throw new CliError(EXIT.failed, `The run failed: ${run.error?.message}`, run.error ?? {});
    if (args.json) return;
    const when = run.finishedAt ?? run.updatedAt;
    const bytes = run.rawBytes > 0 ? `, ${size(run.rawBytes)} read` : "";
    const made = run.backupId === null ? "" : `, backup ${run.backupId}`;
    print(`${run.state} since ${moment(when)}: attempt ${run.attempt}${bytes}${made}.`);
    if (run.error !== null)
      print(`  The last attempt failed: ${run.error.message} [${run.error.code}]`);
  },
});
