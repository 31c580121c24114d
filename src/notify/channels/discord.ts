import type { Message } from "../../plan/alerts/alert.ts";
import { titleOf } from "../../plan/alerts/incidents.ts";
import { type ChannelRequest, json } from "./request.ts";

const RED = 0xd1_24_2f;
const ORANGE = 0xbf_87_00;
const GREEN = 0x1a_7f_37;

/**
 * Make the request of a message to Discord (https://discord.com/developers/docs/resources/webhook#execute-webhook).
 * It waits until Discord has the message, and mentions nobody, whatever names it holds.
 */
export function discordRequest(url: string, message: Message): ChannelRequest {
  const { kind, severity, summary, hint, at, database } = message;
  const address = new URL(url);
  address.searchParams.set("wait", "true");
  const color = kind === "closed" ? GREEN : severity === "critical" ? RED : ORANGE;
  const description = kind === "closed" ? plain(summary) : `${plain(summary)}\n\n${plain(hint)}`;
  const embed = {
    ...{ title: titleOf(message), description, color, timestamp: at },
    footer: { text: `Nightjar${database === null ? "" : ` · ${database}`} · ${severity}` },
  };
  return json(address.href, JSON.stringify({ embeds: [embed], allowed_mentions: { parse: [] } }));
}

/** Escape what Discord would format, outside of code between backticks. */
function plain(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part, at) =>
      at % 2 === 1 ? part : part.replaceAll(/[\\*_~|>[\]()#<]/g, String.raw`\$&`),
    )
    .join("");
}
