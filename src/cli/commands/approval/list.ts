import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, paint, print, printJson, printTable } from "../../output.ts";

const STYLES = {
  waiting: "yellow",
  granted: "green",
  denied: "red",
  expired: "dim",
  used: "dim",
} as const;

export default defineCommand({
  meta: {
    name: "approval list",
    description: "List what waits for a second person, and what was decided, newest first",
  },
  args: { json },
  async run({ args }) {
    const client = signIn();
    const { approvals } = await bodyOf(client.v1.approvals.$get({ query: { limit: "50" } }));
    if (args.json) return printJson({ approvals });
    if (approvals.length === 0) return print("Nothing has asked for an approval.");
    printTable([
      ["id", "asked", "by", "what", "until", "state"],
      ...approvals.map(({ id, requestedAt, requestedByName, summary, expiresAt, ...rest }) => [
        ...[id, moment(requestedAt), requestedByName, summary, moment(expiresAt)],
        paint(STYLES[rest.state], rest.state),
      ]),
    ]);
  },
});
