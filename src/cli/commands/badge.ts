import { defineCommand } from "citty";
import { database, json } from "../line/args.ts";
import { bodyOf, reach, refusal, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { print, printAside, printJson } from "../output.ts";

export default defineCommand({
  meta: {
    name: "badge",
    description: "Print a database's badge for a README, as Markdown and HTML",
  },
  args: {
    database,
    show: {
      type: "string",
      description: "backup (default), restorable, recovery-point or size",
      valueHint: "what",
    },
    label: { type: "string", description: "The text on the left", valueHint: "text" },
    style: {
      type: "string",
      description: "flat (default), flat-square or for-the-badge",
      valueHint: "style",
    },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { database: db, show, label, style } = args;
    const found = await bodyOf(client.v1.databases[":db"].$get({ param: { db } }));
    if (found.badgeUrl === null)
      throw new CliError(EXIT.refused, `${db} is not configured, and has no badge.`, {
        hint: "Add it to DATABASES again: docs/configuration.md.",
        code: "DATABASE_NOT_CONFIGURED",
      });
    const address = new URL(found.badgeUrl);
    for (const [name, value] of Object.entries({ show, label, style }))
      if (value !== undefined) address.searchParams.set(name, value);
    const endpoint = new URL(address);
    endpoint.pathname = endpoint.pathname.replace(/\.svg$/, ".json");
    const answer = await reach(fetch(endpoint));
    if (!answer.ok) throw await refusal(answer);
    const face = (await answer.json()) as { label: string; message: string };
    const alt = `${face.label} of ${db}`;
    const image = address.href;
    const shields = `https://img.shields.io/endpoint?url=${encodeURIComponent(endpoint.href)}`;
    const texts = {
      markdown: `![${alt.replaceAll(/[[\]\\]/g, "\\$&")}](${image})`,
      html: `<img src="${escapeHtml(image)}" alt="${escapeHtml(alt)}">`,
    };
    if (args.json) return printJson({ url: image, ...texts, shields, ...face });
    printAside(`It says now: ${face.label}: ${face.message}`);
    print(texts.markdown);
    print(texts.html);
    if (found.badge === "private")
      printAside(
        'The badge is private: its address has a key, which opens nothing else. `badge = "public"` makes one without.',
      );
  },
});

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
