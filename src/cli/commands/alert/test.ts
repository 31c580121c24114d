import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { paint, print, printJson } from "../../output.ts";

export default defineCommand({
  meta: { name: "alert test", description: "Send a message to a channel, or to all of them" },
  args: {
    channel: { type: "positional", description: "Only this channel", required: false },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { channel } = args;
    const { results } = await bodyOf(
      client.v1.alerts.test.$post({ json: channel === undefined ? {} : { channel } }),
    );
    if (args.json) printJson({ results });
    else
      for (const { channel: name, error } of results)
        if (error === null) print(`${name}: `, paint("green", "the message was taken"));
        else print(`${name}: `, paint("red", error.message), ` [${error.code}]`);
    const failed = results.filter(({ error }) => error !== null);
    if (failed.length > 0)
      throw new CliError(
        EXIT.failed,
        `${failed.length} of ${results.length} channels took nothing.`,
        {
          hint: failed[0]!.error!.hint,
          code: failed[0]!.error!.code,
        },
      );
  },
});
