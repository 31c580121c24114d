import { defineCommand } from "citty";
import { RULE_NAMES } from "../../../plan/alerts/alert.ts";
import { type Filter, given, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, paint, print, printJson, printTable } from "../../output.ts";
import { pagesOf } from "../../pages.ts";

const STYLES = { warning: "yellow", critical: "red" } as const;

export default defineCommand({
  meta: { name: "alert list", description: "List what is wrong, or with --all what was too" },
  args: {
    database: { type: "string", description: "Only of this database", valueHint: "name" },
    rule: { type: "string", description: `Only ${RULE_NAMES.join(", ")}`, valueHint: "rule" },
    all: { type: "boolean", description: "Also what is over", default: false },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { database, rule } = args;
    const open = args.all ? undefined : "true";
    const filter = given<Filter>({ database, rule, open });
    const pages = pagesOf((page) =>
      bodyOf(client.v1.alerts.$get({ query: { limit: "200", ...filter, ...page } })),
    );
    const incidents = [];
    for await (const page of pages) incidents.push(...page.incidents);
    if (args.json) return printJson({ incidents });
    if (incidents.length === 0) return print(args.all ? "Nothing was wrong." : "Nothing is wrong.");
    printTable([
      ["id", "since", "until", "severity", "what"],
      ...incidents.map(({ id, openedAt, closedAt, severity, title }) => [
        ...[id, moment(openedAt), closedAt === null ? "" : moment(closedAt)],
        paint(closedAt === null ? STYLES[severity] : "dim", severity),
        title,
      ]),
    ]);
    for (const { closedAt, title, summary, hint } of incidents.slice(0, 20)) {
      if (closedAt !== null) continue;
      print();
      print(`${title}. ${summary}`);
      print(`  ${hint}`);
    }
  },
});
