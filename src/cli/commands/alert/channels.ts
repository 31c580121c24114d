import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, print, printJson, printTable } from "../../output.ts";

export default defineCommand({
  meta: { name: "alert channels", description: "List where alerts are sent to, and how that goes" },
  args: { json },
  async run({ args }) {
    const client = signIn();
    const { channels } = await bodyOf(client.v1.alerts.channels.$get());
    if (args.json) return printJson({ channels });
    if (channels.length === 0)
      return print(
        "Nobody is told when a backup fails: docs/alerts.md shows how to add a channel.",
      );
    printTable([
      ["channel", "type", "databases", "from", "last message", "waiting"],
      ...channels.map((channel) => [
        ...[channel.name, channel.type ?? "wrong", channel.databases?.join(", ") ?? "all"],
        channel.severity ?? "",
        channel.lastDeliveredAt === null ? "" : moment(channel.lastDeliveredAt),
        String(channel.pending),
      ]),
    ]);
    for (const { name, mistakes, error } of channels) {
      for (const { path, fix } of mistakes) print(`${path}: ${fix}`);
      if (error !== null) print(`${name}: ${error.message} [${error.code}]`);
    }
  },
});
