import { defineCommand } from "citty";
import { database, json } from "../line/args.ts";
import { type Client, signIn } from "../client.ts";
import { diffLines, diffSql, diffSummary, sideOf } from "../diff/ask.ts";
import { showRow, showSides, showSummary } from "../diff/show.ts";
import { CliError, EXIT } from "../exit.ts";
import { printJson, printJsonLine } from "../output.ts";
import { listOf } from "../tokens.ts";

const side = "A backup, as --backup names it, or a moment like 2026-11-20T14:03:00Z or -2h";

export default defineCommand({
  meta: { name: "diff", description: "Compare two backups, or moments of the page log" },
  args: {
    database,
    from: { type: "positional", description: side, required: true },
    to: { type: "positional", description: side, required: true },
    table: {
      type: "string",
      description: "Show the rows of these tables, and nothing of others; several with commas",
      valueHint: "names",
    },
    summary: { type: "boolean", description: "Show no rows, only their number", default: false },
    sql: {
      type: "boolean",
      description: "Print the SQL that makes the second of the first",
      default: false,
    },
    "exit-code": {
      type: "boolean",
      description: "End with exit code 1 if anything differs",
      default: false,
    },
    json,
  },
  async run({ args }) {
    if (args.sql && (args.json || args.summary))
      throw new CliError(
        EXIT.usage,
        `--sql and --${args.json ? "json" : "summary"} exclude each other.`,
      );
    const client = signIn();
    const tables = args.table === undefined ? undefined : listOf(args.table);
    const asked = {
      from: await sideOf(client, args.database, args.from),
      to: await sideOf(client, args.database, args.to),
      ...(tables === undefined ? {} : { tables }),
    };
    const isDifferent = await (args.sql
      ? diffSql(client, args.database, asked)
      : show(client, args.database, asked, args));
    if (isDifferent && args["exit-code"])
      throw new CliError(EXIT.failed, `${args.from} and ${args.to} differ.`, { code: "DIFFERENT" });
  },
});

/** Show what differs, and return true if anything does. */
async function show(
  client: Client,
  db: string,
  asked: Parameters<typeof diffSummary>[2],
  options: { json: boolean; summary: boolean; table?: string | undefined },
): Promise<boolean> {
  const withRows = !options.summary && (options.json || options.table !== undefined);
  if (!withRows) {
    const found = await diffSummary(client, db, asked);
    if (options.json) printJson(found);
    else {
      showSides(db, found);
      showSummary(found);
    }
    return found.different;
  }
  for await (const line of diffLines(client, db, asked)) {
    if (options.json) printJsonLine(line);
    else if ("from" in line) showSides(db, line);
    else if ("row" in line) showRow(line.row);
    else if ("done" in line) showSummary(line.done, true);
    if ("done" in line) return line.done.different;
  }
  return false;
}
