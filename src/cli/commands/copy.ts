import { defineCommand } from "citty";
import { isKnownBad } from "../../model/proof.ts";
import { bodyOf, type Client, signIn } from "../client.ts";
import { eachArgs, eachBackup, type Listed } from "../each-backup.ts";
import { CliError, EXIT } from "../exit.ts";
import { copyWord, moment, print, printJson, printTable } from "../output.ts";

export default defineCommand({
  meta: {
    name: "copy",
    description: "Copy a backup to the second store, or read back the copy that is there",
  },
  args: eachArgs,
  async run({ args }) {
    const client = signIn();
    // What is known to be bad is not copied: with --all it is passed over.
    const wanted = (backup: Listed) => !isKnownBad(backup);
    const copies = await eachBackup(client, args, "copy", (id) => copy(client, id), wanted);
    if (args.json) printJson(args.all ? { copies } : copies[0]);
    else show(copies);
    const failed = copies.filter(({ state }) => state === "failed");
    const [first] = failed;
    if (first === undefined) return;
    const more = failed.length > 1 ? ` And ${failed.length - 1} more.` : "";
    throw new CliError(EXIT.failed, `Backup ${first.backup}: ${first.error!.message}${more}`, {
      hint: first.error!.hint,
      code: first.error!.code,
    });
  },
});

function copy(client: Client, id: string) {
  return bodyOf(client.v1.backups[":id"].copy.$post({ param: { id } }));
}

type Copied = Awaited<ReturnType<typeof copy>> & { takenAt: string };

function show(copies: readonly Copied[]): void {
  if (copies.length !== 1)
    printTable([
      ["backup", "taken", "copy", "why"],
      ...copies.map((one) => [
        one.backup,
        moment(one.takenAt),
        copyWord(one),
        one.error?.message ?? "",
      ]),
    ]);
  const done = copies.filter(({ state }) => state === "copied");
  print(
    copies.length === 1 && done.length === 1
      ? `Backup ${done[0]!.backup} is copied to ${done[0]!.to} and was read back.`
      : `${done.length} of ${copies.length} backups are copied and were read back.`,
  );
}
