import { setTimeout as sleep } from "node:timers/promises";
import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, type Client, connection } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { moment, print, printJson, size, sizes } from "../output.ts";
import { Progress } from "../progress.ts";
import { ifStopped } from "../files/unfinished.ts";
import { printWarnings } from "../warnings.ts";

/** How often a run is looked at, ms. */
const LOOK_EVERY = 500;

const getRun = (client: Client, id: string) =>
  bodyOf(client.v1.runs[":id"].$get({ param: { id } }));

export default defineCommand({
  meta: { name: "backup", description: "Back up a database now, and wait until it is done" },
  args: {
    database,
    name: { type: "string", description: "A name to find this backup by" },
    tier: { type: "string", description: "manual, deploy, milestone or dev", default: "manual" },
    label: { type: "string", description: "Labels, like app=shop,commit=1a2b3c" },
    wait: { type: "boolean", description: "Wait for the end (--no-wait: do not)", default: true },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const started = await bodyOf(
      client.v1.databases[":db"].backups.$post({
        param: { db: args.database },
        json: {
          // The server names the tiers that it takes when this is none of them.
          tier: args.tier as "manual",
          labels: parseLabels(args.label),
          wait: false,
          ...(args.name === undefined ? {} : { name: args.name }),
        },
      }),
    );
    const goesOn = `Run ${started.id} goes on without this command: see nightjar status ${args.database}.`;
    const run = args.wait
      ? await ifStopped(goesOn, () => follow(client, started.id, args.json))
      : started;
    if (args.json) printJson(run);
    if (run.state === "failed")
      throw new CliError(EXIT.failed, `The backup failed: ${run.error?.message}`, run.error ?? {});
    if (args.json) return;
    if (run.backupId === null) print(`Run ${run.id} is ${run.state}.`);
    else {
      const made = await bodyOf(client.v1.backups[":id"].$get({ param: { id: run.backupId } }));
      printWarnings(made);
      print(`Backup ${made.id} of ${made.database}, ${moment(made.takenAt)}: ${sizes(made)}.`);
    }
  },
});

async function follow(client: Client, id: string, quiet: boolean) {
  const progress = new Progress(quiet);
  for (;;) {
    const run = await getRun(client, id);
    if (run.finishedAt !== null) {
      progress.end();
      return run;
    }
    const again = run.attempt > 1 ? ` (attempt ${run.attempt}, after ${run.error?.code})` : "";
    const bytes = run.rawBytes > 0 ? ` ${size(run.rawBytes)}` : "";
    progress.show(`${run.state}${bytes}${again}`);
    await sleep(LOOK_EVERY);
  }
}

function parseLabels(text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  const pairs = text.split(",").map((pair) => {
    const [key, ...value] = pair.split("=");
    if (key === undefined || key === "" || value.length === 0)
      throw new CliError(EXIT.usage, `--label must be like app=shop,commit=1a2b3c, not ${text}`);
    return [key, value.join("=")] as const;
  });
  return Object.fromEntries(pairs);
}
