import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, bodyOf, type Client, connection } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { allBackups, findBackup } from "../link.ts";
import { copyWord, moment, printJson, printTable } from "../output.ts";
import { Progress } from "../progress.ts";

export default defineCommand({
  meta: {
    name: "copy",
    description: "Copy a backup to the second store, or read back the copy that is there",
  },
  args: {
    database,
    backup,
    all: { type: "boolean", description: "Every backup of the database", default: false },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    if (args.all && args.backup !== "latest")
      throw new CliError(EXIT.usage, "--all and --backup exclude each other.");
    const found = args.all
      ? (await allBackups(client, args.database)).filter(isGood)
      : [await findBackup(client, args.database, args.backup)];
    const progress = new Progress(args.json);
    const copies: Copied[] = [];
    for (const { id, takenAt } of found) {
      progress.show(`copy ${id} (${copies.length + 1} of ${found.length})`);
      copies.push({ ...(await copy(client, id)), takenAt });
    }
    progress.end();
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
type Listed = Awaited<ReturnType<typeof allBackups>>[number];

/** What is known to be bad is not copied: with --all it is passed over. */
function isGood({ verification, drill }: Listed): boolean {
  return verification?.outcome !== "corrupt" && drill?.outcome !== "failed";
}

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
  console.log(
    copies.length === 1 && done.length === 1
      ? `Backup ${done[0]!.backup} is copied to ${done[0]!.to} and was read back.`
      : `${done.length} of ${copies.length} backups are copied and were read back.`,
  );
}
