import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, paint, print, printJson, printTable } from "../../output.ts";
import { pagesOf } from "../../pages.ts";
import { databasesWord } from "../../tokens.ts";

const STYLES = { valid: "green", expired: "yellow", revoked: "dim" } as const;

export default defineCommand({
  meta: { name: "token list", description: "List the tokens of the API, newest first" },
  args: { json },
  async run({ args }) {
    const client = signIn();
    const pages = pagesOf((page) =>
      bodyOf(client.v1.tokens.$get({ query: { limit: "200", ...page } })),
    );
    const tokens = [];
    for await (const page of pages) tokens.push(...page.tokens);
    if (args.json) return printJson({ tokens });
    if (tokens.length === 0)
      return print("There is no token but ADMIN_TOKEN: make one with `nightjar token create`.");
    printTable([
      ["id", "name", "may", "databases", "last used", "ends", "state"],
      ...tokens.map(({ id, name, scopes, databases, lastUsedAt, expiresAt, state }) => [
        ...[id, name, scopes.join(","), databasesWord(databases)],
        lastUsedAt === null ? "never" : moment(lastUsedAt),
        expiresAt === null ? "never" : moment(expiresAt),
        paint(STYLES[state], state),
      ]),
    ]);
  },
});
