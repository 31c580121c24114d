import { defineCommand } from "citty";
import { whenApproved } from "../approval.ts";
import { json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { moment, print, printJson, printTable } from "../output.ts";
import { GOES_ON, ifStopped } from "../files/unfinished.ts";

export default defineCommand({
  meta: { name: "prune", description: "Delete what the retention policy lets go" },
  args: {
    "dry-run": { type: "boolean", description: "Only show what would go, and why", default: false },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const report = await whenApproved(client, () =>
      ifStopped(GOES_ON, () =>
        bodyOf(client.v1.prune.$post({ json: { dryRun: args["dry-run"] } })),
      ),
    );
    const { verdicts, failures, dryRun } = report;
    if (args.json) printJson(report);
    else {
      if (verdicts.length > 0)
        printTable([
          ["", "database", "id", "taken", "tier", "why"],
          ...verdicts.map(({ keep, database, id, takenAt, tier, reason, ...rest }) => [
            keep ? "keep" : "delete",
            database,
            id,
            moment(takenAt),
            tier,
            reason + pinNote(rest, dryRun),
          ]),
        ]);
      const gone = verdicts.filter(({ keep }) => !keep).length;
      const pinned = verdicts.filter(({ pinChange }) => pinChange === "made").length;
      const pins = pinned === 0 ? "" : `, ${pinned} ${dryRun ? "would be" : "were"} pinned`;
      print(`${gone} of ${verdicts.length} backups ${dryRun ? "would go" : "go"}${pins}.`);
    }
    if (failures.length === 0) return;
    const [{ id, message, hint, code }] = failures as [(typeof failures)[number]];
    throw new CliError(EXIT.failed, `${failures.length} failed; the first is ${id}: ${message}`, {
      hint: `${hint} Where a pin fails, nothing of the same database is deleted.`,
      code,
    });
  },
});

/** Says whether a backup is pinned, and what this prune changes about that. */
function pinNote(
  { pin, pinChange }: { pin: string | null; pinChange: "made" | "removed" | null },
  dryRun: boolean,
): string {
  if (pinChange !== null) return ` (pin ${dryRun ? "would be" : "is"} ${pinChange})`;
  return pin === null ? "" : " (pinned)";
}
