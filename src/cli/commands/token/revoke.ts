import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { reach, refusal, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { print, printJson } from "../../output.ts";

export default defineCommand({
  meta: { name: "token revoke", description: "Revoke a token, so that it opens nothing" },
  args: {
    token: { type: "positional", description: "The token's id", required: true },
    json,
  },
  async run({ args }) {
    const id = args.token;
    if (!/^[0-9a-z]{12}$/.test(id))
      throw new CliError(EXIT.usage, "This is no token's id.", {
        hint: "`nightjar token list` shows the ids. Never put a token itself on a command line.",
      });
    const client = signIn();
    const answer = await reach(client.v1.tokens[":id"].$delete({ param: { id } }));
    if (!answer.ok) throw await refusal(answer);
    if (args.json) printJson({ id, revoked: true });
    else print(`Token ${id} is revoked.`);
  },
});
