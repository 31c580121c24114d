import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { print, printJson } from "../../output.ts";

/** Make the command that grants or denies what another person has asked for. */
export function decide(verb: "grant" | "deny", description: string, done: string) {
  return defineCommand({
    meta: { name: `approval ${verb}`, description },
    args: {
      approval: { type: "positional", description: "The approval's id", required: true },
      json,
    },
    async run({ args }) {
      const { [":id"]: approval } = signIn().v1.approvals;
      const decided = await bodyOf(approval[verb].$post({ param: { id: args.approval } }));
      if (args.json) printJson(decided);
      else print(`Approval ${decided.id} ${done}: ${decided.summary}.`);
    },
  });
}
