import { defineCommand } from "citty";
import { SCOPES } from "../../../plan/access.ts";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { print, printAside, printJson } from "../../output.ts";
import { databasesWord, listOf, scopesOf } from "../../tokens.ts";

export default defineCommand({
  meta: { name: "token create", description: "Make a token of the API; it is shown once" },
  args: {
    name: { type: "positional", description: "What it is for, such as ci", required: true },
    scope: {
      type: "string",
      description: `What it may do: ${SCOPES.join(", ")}; several with commas`,
      required: true,
      valueHint: "scopes",
    },
    database: {
      type: "string",
      description: "The databases that it reaches, with commas; default: all",
      valueHint: "names",
    },
    "expires-in": {
      type: "string",
      description: "When it ends, such as 90d; default: never",
      valueHint: "duration",
    },
    json,
  },
  async run({ args }) {
    const { name, scope, database, "expires-in": expiresIn } = args;
    const client = signIn();
    const made = await bodyOf(
      client.v1.tokens.$post({
        json: {
          name,
          scopes: scopesOf(scope),
          ...(database !== undefined && { databases: listOf(database) }),
          ...(expiresIn !== undefined && { expiresIn }),
        },
      }),
    );
    if (args.json) return printJson(made);
    const ends = made.expiresAt === null ? "never ends" : `ends ${made.expiresAt}`;
    printAside(
      `Token ${name} (${made.id}): ${made.scopes.join(", ")} on ${databasesWord(made.databases)}; it ${ends}.`,
    );
    printAside("Keep it now: it is stored as a hash only, and nobody can show it again.");
    print(made.token);
  },
});
