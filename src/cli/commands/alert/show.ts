import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, print, printJson, printTable } from "../../output.ts";

export default defineCommand({
  meta: { name: "alert show", description: "Show one incident, and who was told of it" },
  args: {
    incident: { type: "positional", description: "The incident's id", required: true },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const incident = await bodyOf(
      client.v1.alerts[":incident"].$get({ param: { incident: args.incident } }),
    );
    if (args.json) return printJson(incident);
    const { title, severity, summary, hint, openedAt, closedAt, deliveries } = incident;
    print(`${title} (${severity})`);
    print(`since ${moment(openedAt)}${closedAt === null ? "" : `, over at ${moment(closedAt)}`}`);
    print(summary);
    print(`  ${hint}`);
    if (deliveries.length === 0) return print("Nobody was told of it.");
    print();
    printTable([
      ["channel", "message", "entered", "taken", "tries", "last error"],
      ...deliveries.map((one) => [
        ...[one.channel, one.kind, moment(one.createdAt)],
        one.deliveredAt === null
          ? one.abandonedAt === null
            ? "waiting"
            : "given up"
          : moment(one.deliveredAt),
        ...[String(one.attempts), one.error?.message ?? ""],
      ]),
    ]);
  },
});
