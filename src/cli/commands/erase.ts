import { userInfo } from "node:os";
import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { print, printJson } from "../output.ts";

export default defineCommand({
  meta: {
    name: "erase",
    description: "Leave a person's rows out of every restore and download from now on",
  },
  args: {
    database,
    table: { type: "string", description: "The table that holds the rows", required: true },
    column: { type: "string", description: "The column that tells whose they are", required: true },
    key: { type: "string", description: "Its value; only a hash of it is kept", required: true },
    who: { type: "string", description: "Who asked for it; default: your user name" },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const { table, column, key } = args;
    const who = args.who ?? userInfo().username;
    const entry = await bodyOf(
      client.v1.databases[":db"].erasures.$post({
        param: { db: args.database },
        json: { table, column, key, who },
      }),
    );
    if (args.json) return printJson(entry);
    print(
      `Rows of ${table} with this ${column} are left out of every restore and download of ${args.database} as it was before ${entry.at}.`,
    );
    print("Stored backups are not rewritten: they go when their retention ends.");
  },
});
