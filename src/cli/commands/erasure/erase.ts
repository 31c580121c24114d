import { userInfo } from "node:os";
import { text } from "node:stream/consumers";
import { defineCommand } from "citty";
import { whenApproved } from "../../approval.ts";
import { database, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { print, printJson } from "../../output.ts";
import { askSecret } from "../../terminal.ts";

export default defineCommand({
  meta: {
    name: "erase",
    description: "Leave a person's rows out of every restore and download from now on",
  },
  args: {
    database,
    table: { type: "string", description: "The table that holds the rows", required: true },
    column: { type: "string", description: "The column that tells whose they are", required: true },
    key: {
      type: "string",
      description:
        "Its value; without it, or with -, it is read from standard input. Only a hash of it is kept",
      default: "-",
    },
    who: { type: "string", description: "Who asked for it; default: your user name" },
    force: {
      type: "boolean",
      description: "Also where the newest schema has no such column",
      default: false,
    },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { table, column, force } = args;
    const key = args.key === "-" ? await keyFromInput() : args.key;
    const who = args.who ?? userInfo().username;
    const entry = await whenApproved(client, () =>
      bodyOf(
        client.v1.databases[":db"].erasures.$post({
          param: { db: args.database },
          json: { table, column, key, who, force },
        }),
      ),
    );
    if (args.json) return printJson(entry);
    print(
      `Rows of ${table} with this ${column} are left out of every restore and download of ${args.database} as it was before ${entry.at} (entry ${entry.id}; names: ${entry.checked}).`,
    );
    print("Stored backups are not rewritten: they go when their retention ends.");
  },
});

/**
 * Read a key from standard input, without the line break at its end; on a terminal it is asked for. A key in
 * arguments stays in the shell's history.
 */
async function keyFromInput(): Promise<string> {
  const key = process.stdin.isTTY
    ? await askSecret("The key (it is not shown): ")
    : (await text(process.stdin)).replace(/\r?\n$/, "");
  if (key !== "") return key;
  throw new CliError(EXIT.usage, "There is no key on standard input.", {
    hint: "Give it like this: nightjar erase shop --table users --column email < key.txt",
  });
}
