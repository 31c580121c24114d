import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, connection } from "../client.ts";
import { findBackup, makeLink } from "../link.ts";
import { print, printJson } from "../output.ts";
import { printWarnings } from "../warnings.ts";

export default defineCommand({
  meta: {
    name: "url",
    description:
      'Print a signed download URL: curl -fL "$(nightjar url shop)" | gunzip | sqlite3 dev.db',
  },
  args: {
    database,
    backup,
    format: {
      type: "string",
      description: "sql.gz, sql, sql.zst, db or db.zst; libsql.sql for a libSQL server",
      default: "sql.gz",
    },
    expires: { type: "string", description: "For how long it works, up to 7d", default: "1h" },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const found = await findBackup(client, args.database, args.backup);
    const link = await makeLink(client, found.id, args.format, args.expires);
    if (args.json) printJson(link);
    else print(link.url);
    printWarnings(found);
  },
});
