import { defineCommand } from "citty";
import { json } from "../../line/args.ts";
import { bodyOf, signIn } from "../../client.ts";
import { moment, paint, print, printJson, printTable } from "../../output.ts";
import { pagesOf } from "../../pages.ts";

const STYLES = { valid: "green", expired: "dim", revoked: "dim", "used up": "dim" } as const;

export default defineCommand({
  meta: { name: "link list", description: "List the download URLs that were made, newest first" },
  args: {
    database: { type: "string", description: "Only those to this database", valueHint: "name" },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { database } = args;
    const filter = database === undefined ? {} : { database };
    const pages = pagesOf((page) =>
      bodyOf(client.v1.links.$get({ query: { limit: "200", ...filter, ...page } })),
    );
    const links = [];
    for await (const page of pages) links.push(...page.links);
    if (args.json) return printJson({ links });
    if (links.length === 0) return print("There is no link: make one with `nightjar url`.");
    printTable([
      ["id", "made", "by", "of", "format", "uses", "ends", "state"],
      ...links.map((link) => [
        ...[link.id, moment(link.createdAt), link.createdBy ?? "", link.subject, link.format],
        link.maxUses === null ? "" : `${link.uses} of ${link.maxUses}`,
        moment(link.expiresAt),
        paint(STYLES[link.state], link.state),
      ]),
    ]);
  },
});
