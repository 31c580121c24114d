import { defineCommand } from "citty";
import { backup, database, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { findBackup } from "../../find-backup.ts";
import { print, printJson } from "../../output.ts";
import { GOES_ON, ifStopped } from "../../files/unfinished.ts";

export default defineCommand({
  meta: { name: "pin", description: "Keep a backup until it is unpinned, whatever its age" },
  args: {
    database,
    backup,
    reason: { type: "string", description: "Why it is kept; shown in `nightjar list`" },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { id } = await findBackup(client, args.database, args.backup);
    const pinned = await ifStopped(GOES_ON, () =>
      bodyOf(
        client.v1.backups[":id"].pin.$post({
          param: { id },
          json: { reason: args.reason ?? "pinned by hand" },
        }),
      ),
    );
    if (args.json) printJson(pinned);
    else print(`Backup ${id} of ${pinned.database} is pinned: ${pinned.key}`);
  },
});
