import type { Message } from "../../plan/alerts/alert.ts";
import { titleOf } from "../../plan/alerts/incidents.ts";
import { type ChannelRequest, json } from "./request.ts";

const SIGNS = { warning: ":warning:", critical: ":rotating_light:" } as const;

/**
 * Make the request of a message to an incoming webhook of Slack
 * (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
 */
export function slackRequest(url: string, message: Message): ChannelRequest {
  const { kind, severity, summary, hint } = message;
  const sign = kind === "closed" ? ":white_check_mark:" : SIGNS[severity];
  const title = `${sign} *${escape(titleOf(message))}*`;
  const text = `${title}\n${escape(summary)}${kind === "closed" ? "" : `\n_${escape(hint)}_`}`;
  const block = { type: "section", text: { type: "mrkdwn", text, verbatim: true } };
  return json(url, JSON.stringify({ text: titleOf(message), blocks: [block] }));
}

/** Escape the three characters that Slack asks for: without them there are no mentions and no links. */
function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
