import { defineCommand } from "citty";
import { ACTIONS, OUTCOMES } from "../../model/audit.ts";
import { type Filter, given, momentArg } from "../line/args.ts";
import { bodyOf, type Client, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { moment, paint, print, printJson, printJsonLine, printTable } from "../output.ts";
import { pagesOf } from "../pages.ts";

/** Rows that are shown unless `--limit` says otherwise. */
const SHOWN = "50";
const STYLES = { started: "dim", done: "green", failed: "red", denied: "yellow" } as const;

export default defineCommand({
  meta: {
    name: "audit",
    description: "Show who did what, or check that nobody changed the record",
  },
  args: {
    database: { type: "string", description: "Only acts on this database", valueHint: "name" },
    action: { type: "string", description: `Only ${ACTIONS.join(", ")}`, valueHint: "action" },
    outcome: { type: "string", description: `Only ${OUTCOMES.join(", ")}`, valueHint: "outcome" },
    actor: { type: "string", description: "Only by root, token:<id>, …", valueHint: "id" },
    since: { ...momentArg, description: "From this moment on, in ISO 8601" },
    until: { ...momentArg, description: "Before this moment, in ISO 8601" },
    limit: { type: "string", description: "Rows to show, or all", default: SHOWN },
    verify: {
      type: "boolean",
      description: "Read all rows, and compare their hashes with each other and the bucket",
      default: false,
    },
    json: { type: "boolean", description: "Print one row of JSON per line", default: false },
  },
  async run({ args }) {
    const client = signIn();
    if (args.verify) return verify(client, args.json);
    const most = args.limit === "all" ? Infinity : Number(args.limit);
    if (!(most >= 1)) throw new CliError(EXIT.usage, "--limit takes a whole number, or all.");
    const { database, action, outcome, actor, since, until } = args;
    const filter = given<Filter>({ database, action, outcome, actor, since, until });
    const pages = pagesOf((page) =>
      bodyOf(
        client.v1.audit.$get({
          query: { ...filter, limit: String(Math.min(most, 1000)), ...page },
        }),
      ),
    );
    const shown = [];
    let left = most;
    for await (const page of pages) {
      for (const row of page.rows.slice(0, left))
        if (args.json) printJsonLine(row);
        else shown.push(row);
      left -= page.rows.length;
      if (left <= 0) break;
    }
    if (args.json) return;
    if (shown.length === 0) return print("The audit has no such row.");
    printTable([
      ["row", "when", "who", "what", "outcome", "database", "of"],
      ...shown.map((row) => [
        ...[String(row.seq), moment(row.at), row.actorName, row.action],
        paint(STYLES[row.outcome], row.outcome),
        ...[row.database ?? "", row.subject ?? ""],
      ]),
    ]);
  },
});

/** Verify the whole audit, a part at a time. @throws CliError `failed` at the first row that is wrong */
async function verify(client: Client, json: boolean): Promise<void> {
  let rows = 0;
  for (let cursor: string | undefined; ;) {
    const part = await bodyOf(
      client.v1.audit.verify.$post({ json: cursor === undefined ? {} : { cursor } }),
    );
    rows += part.rows;
    const { heads, fault, next } = part;
    if (fault !== null) {
      if (json) printJson({ rows, heads, fault });
      throw new CliError(EXIT.failed, `Row ${fault.seq} of the audit: ${fault.problem}`, {
        hint: "Somebody has changed the catalog, or lost it: docs/access.md says what to look at.",
        code: "AUDIT_CHANGED",
      });
    }
    if (next !== null) {
      cursor = next;
      continue;
    }
    if (json) printJson({ rows, heads, fault });
    else
      print(
        `All ${rows} rows of the audit follow each other, and agree with ${heads} heads in the bucket.`,
      );
    return;
  }
}
