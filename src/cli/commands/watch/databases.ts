import { defineCommand } from "citty";
import type { DatabaseAnswer } from "../../../http/views.ts";
import { span } from "../../../plan/duration.ts";
import { signIn } from "../../client.ts";
import { allDatabases, databasePages } from "../../pages.ts";
import { json } from "../../line/args.ts";
import { paint, type Part, print, printJson, STATE_STYLES, tableWriter } from "../../output.ts";

export default defineCommand({
  meta: {
    name: "databases",
    description: "List the databases by name, with where each comes from and how it is",
  },
  args: { json },
  async run({ args }) {
    const client = signIn();
    if (args.json) return printJson({ databases: await allDatabases(client) });
    const write = tableWriter(["database", "from", "state", "next run", "newest backup"]);
    let count = 0;
    for await (const { databases } of databasePages(client)) {
      count += databases.length;
      if (databases.length > 0) write(databases.map((database) => rowOf(database, Date.now())));
    }
    if (count === 0) print("No database is configured yet: see docs/configuration.md.");
  },
});

function rowOf(database: DatabaseAnswer, now: number): Part[] {
  const { name, origin, group, state, nextScheduledAt: next, newestBackup: newest } = database;
  return [
    name,
    group ?? origin ?? "",
    paint(STATE_STYLES[state], state),
    next === null ? "never" : `in ${shortly(Date.parse(next) - now)}`,
    newest === null ? "none" : `${shortly(now - Date.parse(newest.takenAt))} ago`,
  ];
}

/** A length of time in its largest unit. */
function shortly(ms: number): string {
  return span(ms).split(" ").slice(0, 2).join(" ");
}
