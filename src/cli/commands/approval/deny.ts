import { defineCommand } from "citty";
import { json } from "../../args.ts";
import { apiClient, bodyOf, connection } from "../../client.ts";
import { print, printJson } from "../../output.ts";

export default defineCommand({
  meta: {
    name: "approval deny",
    description: "Refuse what was asked for, or take your own request back",
  },
  args: {
    approval: { type: "positional", description: "The approval's id", required: true },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const decided = await bodyOf(
      client.v1.approvals[":id"].deny.$post({ param: { id: args.approval } }),
    );
    if (args.json) printJson(decided);
    else print(`Approval ${decided.id} is denied: ${decided.summary}.`);
  },
});
