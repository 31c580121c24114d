import { defineCommand } from "citty";
import { backup, database, json, momentArg, refuseBoth } from "../line/args.ts";
import { bodyOf, type Client, signIn } from "../client.ts";
import { findBackup } from "../find-backup.ts";
import { uncertainty } from "../moment.ts";
import { printAside, printJson, printTable } from "../output.ts";
import { printWarnings } from "../warnings.ts";

export default defineCommand({
  meta: { name: "query", description: "Ask a backup, or a moment of the page log, in SQL" },
  args: {
    database,
    sql: { type: "positional", description: "One reading statement", required: true },
    backup,
    at: momentArg,
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { database: db, sql, at } = args;
    refuseBoth(args);
    if (at === undefined) {
      show(await queryBackup(client, db, args.backup, sql), args.json);
      return;
    }
    const answer = await bodyOf(
      client.v1.databases[":db"].query.$post({ param: { db }, json: { sql, args: [], at } }),
    );
    show(answer, args.json);
    const { moment } = answer;
    if (!args.json) printAside(`As of ${moment.committedAt}${uncertainty(moment)}.`);
  },
});

interface Answer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

function show(answer: Answer, asJson: boolean): void {
  if (asJson) printJson(answer);
  else printTable([answer.columns.map(shown), ...answer.rows.map((row) => row.map(shown))]);
}

async function queryBackup(client: Client, db: string, wanted: string, sql: string) {
  const found = await findBackup(client, db, wanted);
  printWarnings({ ...found, warnings: [] });
  const query = { param: { id: found.id }, json: { sql, args: [] } };
  return bodyOf(client.v1.backups[":id"].query.$post(query));
}

/** A value for people; what JSON has no form for is shown as the API sends it. */
function shown(value: unknown): string {
  if (value === null) return "NULL";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
