import { defineCommand } from "citty";
import { findConnection } from "../../account/connection.ts";
import { apiClient } from "../../client.ts";
import type { Finding } from "../../doctor/finding.ts";
import { lookAtAccount, lookAtDatabases } from "../../doctor/look.ts";
import { CliError, EXIT } from "../../exit.ts";
import { json } from "../../line/args.ts";
import { paint, print, printJson } from "../../output.ts";
import { Progress } from "../../progress.ts";

const MARKS = {
  good: paint("green", "ok   "),
  warning: paint("yellow", "warn "),
  problem: paint("red", "BAD  "),
  unseen: paint("dim", "?    "),
} as const;

export default defineCommand({
  meta: {
    name: "doctor",
    description:
      "Look at everything: token, clock, sources, schedules, alerts, copies; exit 1 where something is wrong",
  },
  args: {
    database: { type: "positional", description: "Only this database", required: false },
    json,
  },
  async run({ args }) {
    const { url, token } = findConnection(process.env);
    const client = apiClient({ url, token });
    const progress = new Progress(args.json);
    const findings = [
      ...(await lookAtAccount(client, url)),
      ...(await lookAtDatabases(client, args.database, progress)),
    ];
    progress.end();
    if (args.json) printJson({ findings });
    else show(findings);
    const bad = findings.filter(({ level }) => level === "problem").length;
    if (bad > 0)
      throw new CliError(EXIT.failed, `${bad} of ${findings.length} are wrong.`, {
        hint: "Each of them says what to do.",
        code: "NOT_HEALTHY",
      });
  },
});

function show(findings: readonly Finding[]): void {
  for (const { level, about, message, fix } of findings) {
    print(MARKS[level], ` ${about}: ${message}`);
    if (fix !== undefined && fix !== "") print(`       ${fix}`);
  }
}
