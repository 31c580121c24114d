import { defineCommand } from "citty";
import { database, json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { followRun } from "../follow-run.ts";
import { moment, print, printJson, sizes } from "../output.ts";
import { printWarnings } from "../warnings.ts";

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
    const client = signIn();
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
    const run = args.wait ? await followRun(client, started.id, args.json) : started;
    if (args.json) printJson(run);
    if (run.state === "failed")
      throw new CliError(EXIT.failed, `The backup failed: ${run.error?.message}`, run.error ?? {});
    if (args.json) return;
    if (run.backupId === null) print(`Run ${run.id} is ${run.state}: see nightjar run ${run.id}.`);
    else {
      const made = await bodyOf(client.v1.backups[":id"].$get({ param: { id: run.backupId } }));
      printWarnings(made);
      print(`Backup ${made.id} of ${made.database}, ${moment(made.takenAt)}: ${sizes(made)}.`);
    }
  },
});

/**
 * Read labels such as `app=shop,commit=1a2b3c`.
 *
 * @throws CliError `usage`
 */
export function parseLabels(text: string | undefined): Record<string, string> {
  if (text === undefined) return {};
  const pairs = text.split(",").map((pair) => {
    const [key, ...value] = pair.split("=");
    if (key === undefined || key === "" || value.length === 0)
      throw new CliError(EXIT.usage, `--label must be like app=shop,commit=1a2b3c, not ${text}`);
    return [key, value.join("=")] as const;
  });
  return Object.fromEntries(pairs);
}
