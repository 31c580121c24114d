import { defineCommand } from "citty";
import { RUN_STATES } from "../../../model/run-state.ts";
import { choiceOf, given, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, paint, print, printJson, printTable, size } from "../../output.ts";

export default defineCommand({
  meta: { name: "runs", description: "List runs, newest first" },
  args: {
    database: { type: "positional", description: "Only of this database", required: false },
    state: { type: "string", description: `Only those that are ${RUN_STATES.join(", ")}` },
    limit: { type: "string", description: "How many, up to 200", default: "20" },
    cursor: { type: "string", description: "The `next` that an earlier page ended with" },
    json,
  },
  async run({ args: { database, state, limit, cursor, ...args } }) {
    const client = signIn();
    const query = {
      limit,
      ...given({ database, state: choiceOf("--state", RUN_STATES, state), cursor }),
    };
    const page = await bodyOf(client.v1.runs.$get({ query }));
    if (args.json) return printJson(page);
    if (page.runs.length === 0) return print("No run is known.");
    printTable([
      ["id", "started by", "tier", "state", "begun", "took", "size", "backup"],
      ...page.runs.map((run) => [
        run.id,
        run.trigger,
        run.tier,
        run.state === "failed" ? paint("red", run.state) : run.state,
        moment(run.createdAt),
        took(run),
        run.rawBytes === 0 ? "" : size(run.rawBytes),
        run.backupId ?? "",
      ]),
    ]);
    for (const { id, state: ended, error } of page.runs)
      if (ended === "failed" && error !== null) {
        print();
        print(`${id}: ${error.message} [${error.code}]`);
        print(`  ${error.hint}`);
      }
    if (page.next !== null) print(`More: --cursor ${page.next}`);
  },
});

/** The time that a run took, of its work and not of its waiting. */
function took({ startedAt, finishedAt }: { startedAt: string | null; finishedAt: string | null }) {
  if (startedAt === null || finishedAt === null) return "";
  return `${((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000).toFixed(1)} s`;
}
