import { userInfo } from "node:os";
import { defineCommand } from "citty";
import { database, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { moment, print, printJson, printTable } from "../../output.ts";

export default defineCommand({
  meta: { name: "erasures", description: "List a database's erasure list, or withdraw an entry" },
  args: {
    database,
    withdraw: { type: "string", description: "The entry to take back", valueHint: "id" },
    reason: { type: "string", description: "Why it is taken back" },
    who: { type: "string", description: "Who takes it back; default: your user name" },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { database: db, withdraw: id, reason } = args;
    if ((id === undefined) !== (reason === undefined))
      throw new CliError(EXIT.usage, "--withdraw and --reason go together.");
    if (id !== undefined) {
      const who = args.who ?? userInfo().username;
      const entry = await bodyOf(
        client.v1.databases[":db"].erasures[":id"].$delete({
          param: { db, id },
          json: { reason: reason!, who },
        }),
      );
      if (args.json) return printJson(entry);
      return print(
        `Entry ${id} is withdrawn: rows of ${entry.table} that it names come back with restores and downloads. It stays in the list.`,
      );
    }
    const { erasures } = await bodyOf(client.v1.databases[":db"].erasures.$get({ param: { db } }));
    if (args.json) return printJson(erasures.map((entry) => ({ ...entry, hmacKey: undefined })));
    if (erasures.length === 0) return print(`The erasure list of ${db} is empty.`);
    printTable([
      ["id", "since", "table", "column", "who", "state"],
      ...erasures.map(({ id: entry, at, table, column, who, withdrawn }) => [
        ...[entry, moment(at), table, column, who],
        withdrawn === undefined
          ? "applies"
          : `withdrawn ${moment(withdrawn.at)} by ${withdrawn.who}: ${withdrawn.reason}`,
      ]),
    ]);
  },
});
