import { defineCommand } from "citty";
import { json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { print, printJson } from "../output.ts";
import { GOES_ON, ifStopped } from "../files/unfinished.ts";

export default defineCommand({
  meta: {
    name: "reconcile",
    description: "Compare the bucket with the catalog, and repair what differs",
  },
  args: { json },
  async run({ args }) {
    const client = signIn();
    const found = await ifStopped(GOES_ON, () => bodyOf(client.v1.reconcile.$post()));
    if (args.json) return printJson(found);
    const lines = [
      ["entered into the catalog", found.entered],
      ["gone from the bucket, and corrupt now", found.missing],
      ["being verified, as no run did", found.verifying],
      ["damaged segments of page logs, which have ended", found.damaged],
      ["parts of nothing that is known, left alone", found.orphans],
    ] as const;
    for (const [what, items] of lines) {
      if (items.length > 0) print(`${items.length} ${what}:`);
      for (const item of items) print(`  ${item}`);
    }
    if (found.foreign > 0) print(`${found.foreign} objects are not Nightjar's.`);
    if (lines.every(([, items]) => items.length === 0)) print("Bucket and catalog agree.");
  },
});
