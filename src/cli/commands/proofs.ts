import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { findBackup, newestBackup } from "../link.ts";
import { moment, paint, print, printJson, printTable } from "../output.ts";
import { isGood } from "../prove.ts";

export default defineCommand({
  meta: { name: "proofs", description: "List what every verify and drill of a backup found" },
  args: { database, backup, json },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    // The newest may be one that is known to be bad: what was found of it gives nobody its content.
    const { id } =
      args.backup === "latest"
        ? await newestBackup(client, args.database)
        : await findBackup(client, args.database, args.backup);
    const { proofs } = await bodyOf(client.v1.backups[":id"].proofs.$get({ param: { id } }));
    if (args.json) return printJson({ backup: id, proofs });
    if (proofs.length === 0) return print(`Nobody has verified or drilled backup ${id} yet.`);
    printTable([
      ["finished", "act", "outcome", "restored in", "first bad place"],
      ...proofs.map(({ finishedAt, act, outcome, recoveryMs, problem }) => [
        moment(finishedAt),
        act,
        paint(isGood(outcome) ? "green" : "red", outcome),
        recoveryMs === null ? "" : `${(recoveryMs / 1000).toFixed(1)} s`,
        problem?.message ?? "",
      ]),
    ]);
  },
});
