import { defineCommand } from "citty";
import { json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { moment, printJson, printTable } from "../output.ts";

export default defineCommand({
  meta: { name: "prune", description: "Delete what the retention policy lets go" },
  args: {
    "dry-run": { type: "boolean", description: "Only show what would go, and why", default: false },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const report = await bodyOf(client.v1.prune.$post({ json: { dryRun: args["dry-run"] } }));
    if (args.json) return printJson(report);
    const gone = report.verdicts.filter(({ keep }) => !keep).length;
    if (report.verdicts.length > 0)
      printTable([
        ["", "database", "id", "taken", "tier", "why"],
        ...report.verdicts.map(({ keep, database, id, takenAt, tier, reason, expiresAt }) => [
          keep ? "keep" : "delete",
          database,
          id,
          moment(takenAt),
          tier,
          keep && expiresAt !== null ? `${reason} (age: until ${moment(expiresAt)})` : reason,
        ]),
      ]);
    console.log(
      `${gone} of ${report.verdicts.length} backups ${report.dryRun ? "would go" : "deleted"}.`,
    );
  },
});
