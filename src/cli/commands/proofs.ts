import { defineCommand } from "citty";
import { backup, database, json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { findAnyBackup } from "../find-backup.ts";
import { moment, paint, print, printJson, printTable } from "../output.ts";
import { isGood } from "../prove.ts";

export default defineCommand({
  meta: { name: "proofs", description: "List what every verify and drill of a backup found" },
  args: { database, backup, json },
  async run({ args }) {
    const client = signIn();
    const { id } = await findAnyBackup(client, args.database, args.backup);
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
