import { defineCommand } from "citty";
import { database, json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { GOES_ON, ifStopped } from "../../files/unfinished.ts";
import { print, printJson } from "../../output.ts";

export default defineCommand({
  meta: { name: "log pull", description: "Pull what is new at the server into the page log now" },
  args: { database, json },
  async run({ args }) {
    const client = signIn();
    const { database: db } = args;
    const pulled = await ifStopped(GOES_ON, () =>
      bodyOf(client.v1.databases[":db"].log.$post({ param: { db } })),
    );
    if (args.json) return printJson(pulled);
    if (pulled.log === null)
      return print(`${db} has no page log yet: its next backup by pages begins one.`);
    const { lineage, txid } = pulled.log;
    print(`The page log of ${db} is at transaction ${txid} of lineage ${lineage}.`);
  },
});
