import { defineCommand } from "citty";
import { json } from "../line/args.ts";
import { bodyOf, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { print, printJson } from "../output.ts";
import { pagesOf } from "../pages.ts";
import { Progress } from "../progress.ts";
import { GOES_ON, ifStopped } from "../files/unfinished.ts";

export default defineCommand({
  meta: { name: "rebuild", description: "Make the catalog again from what lies in the bucket" },
  args: {
    "accept-unsigned": {
      type: "boolean",
      description: "Also what an older Nightjar wrote, or one with another SIGNING_KEY",
      default: false,
    },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const progress = new Progress(args.json);
    const acceptUnsigned = args["accept-unsigned"];
    const total = { backups: 0, entered: 0, lineages: 0, left: [] as Left[] };
    const get = (page: { cursor?: string }) =>
      ifStopped(GOES_ON, () =>
        bodyOf(client.v1.rebuild.$post({ json: { acceptUnsigned, ...page } })),
      );
    for await (const part of pagesOf(get)) {
      total.backups += part.backups;
      total.entered += part.entered;
      total.lineages += part.lineages;
      total.left.push(...part.left);
      progress.show(`${total.backups} backups`);
    }
    progress.end();
    if (args.json) printJson(total);
    else {
      print(
        `${total.backups} backups are in the catalog, ${total.entered} of them new; ${total.lineages} lineages of page logs entered.`,
      );
      for (const { key, error } of total.left) print(`left: ${key}: ${error.message}`);
    }
    if (total.left.length > 0)
      throw new CliError(EXIT.failed, `${total.left.length} objects could not be entered.`, {
        hint: total.left.some(({ error }) => error.code === "OBJECT_UNSIGNED")
          ? "They stay in the bucket as they are. If an older Nightjar wrote the unsigned ones, or SIGNING_KEY was changed: `nightjar rebuild --accept-unsigned`; see docs/runbook.md."
          : "They stay in the bucket as they are; see docs/runbook.md.",
      });
  },
});

interface Left {
  key: string;
  error: { code: string; message: string };
}
