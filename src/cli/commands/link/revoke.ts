import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { reach, refusal, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { print, printJson } from "../../output.ts";

export default defineCommand({
  meta: { name: "link revoke", description: "Revoke a download URL, so that it opens nothing" },
  args: {
    link: { type: "positional", description: "The URL, or the link's id", required: true },
    json,
  },
  async run({ args }) {
    const id = /(?:^|\/d\/)([0-9a-z]{12})(?:\.|$)/.exec(args.link)?.[1];
    if (id === undefined)
      throw new CliError(
        EXIT.usage,
        "This is neither a download URL of Nightjar nor a link's id.",
        {
          hint: "Give the URL as `nightjar url` printed it, or the `id` that it prints with --json.",
        },
      );
    const client = signIn();
    const answer = await reach(client.v1.links[":id"].$delete({ param: { id } }));
    if (!answer.ok) throw await refusal(answer);
    if (args.json) printJson({ id, revoked: true });
    else print(`Link ${id} is revoked.`);
  },
});
