import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup } from "../link.ts";
import { uncertainty } from "../moment.ts";
import { printJson, printTable } from "../output.ts";

export default defineCommand({
  meta: { name: "query", description: "Ask a backup, or a moment of the page log, in SQL" },
  args: {
    database,
    sql: { type: "positional", description: "One reading statement", required: true },
    backup,
    at: { type: "string", description: "A moment in ISO 8601: ask the page log instead" },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const { database: db, sql, at } = args;
    if (at !== undefined && args.backup !== "latest")
      throw new CliError(EXIT.usage, "--at and --backup exclude each other.");
    if (at === undefined) {
      const { id } = await findBackup(client, db, args.backup);
      show(
        await bodyOf(
          client.v1.backups[":id"].query.$post({ param: { id }, json: { sql, args: [] } }),
        ),
        args.json,
      );
      return;
    }
    const answer = await bodyOf(
      client.v1.databases[":db"].query.$post({ param: { db }, json: { sql, args: [], at } }),
    );
    show(answer, args.json);
    const { moment } = answer;
    if (!args.json) console.error(`As of ${moment.committedAt}${uncertainty(moment)}.`);
  },
});

interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

function show(answer: Answer, json: boolean): void {
  if (json) printJson(answer);
  else printTable([answer.columns.map(shown), ...answer.rows.map((row) => row.map(shown))]);
}

/** A value for people; what JSON has no form for is shown as the API sends it, control characters as `\x0a`. */
function shown(value: unknown): string {
  if (value === null) return "NULL";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).replaceAll(
    /\p{Cc}/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
