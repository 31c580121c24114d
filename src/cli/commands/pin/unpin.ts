import { defineCommand } from "citty";
import { whenApproved } from "../../approval.ts";
import { backup, database, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { findAnyBackup } from "../../find-backup.ts";
import { print, printJson } from "../../output.ts";

export default defineCommand({
  meta: { name: "unpin", description: "Leave a pinned backup to the retention policy again" },
  args: { database, backup, json },
  async run({ args }) {
    const client = signIn();
    const { id } = await findAnyBackup(client, args.database, args.backup);
    const unpinned = await whenApproved(client, () =>
      bodyOf(client.v1.backups[":id"].pin.$delete({ param: { id } })),
    );
    if (args.json) printJson(unpinned);
    else print(`Backup ${id} of ${unpinned.database} is left to the retention policy.`);
  },
});
