import { defineCommand } from "citty";
import { signIn } from "../../client.ts";
import { databasePages } from "../../pages.ts";
import { completionFor, SHELLS } from "../../line/complete.ts";
import { describeCommands } from "../../line/describe.ts";
import { CliError, EXIT } from "../../exit.ts";
import { print } from "../../output.ts";

export default defineCommand({
  meta: {
    name: "completion",
    description: "Print the completion for bash, zsh or fish: source <(nightjar completion bash)",
  },
  args: {
    shell: { type: "positional", description: "bash, zsh or fish", required: true },
  },
  async run({ args }) {
    // The scripts themselves ask for these.
    if (args.shell === "databases") {
      for await (const { databases } of databasePages(signIn()))
        for (const { name } of databases) print(name);
      return;
    }
    const shell = SHELLS.find((one) => one === args.shell);
    if (shell === undefined)
      throw new CliError(EXIT.usage, `There is no completion for ${args.shell}.`, {
        hint: `There is one for ${SHELLS.join(", ")}.`,
      });
    for (const line of completionFor(shell, await describeCommands())
      .trimEnd()
      .split("\n"))
      print(line);
  },
});
