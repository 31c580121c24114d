import type { Message } from "../../plan/alerts/alert.ts";
import { titleOf } from "../../plan/alerts/incidents.ts";
import { type ChannelRequest, json } from "./request.ts";

const HOSTS = {
  us: "https://events.pagerduty.com",
  eu: "https://events.eu.pagerduty.com",
} as const;

/**
 * Make the request of a message to PagerDuty: an event of the Events API v2, or a change event for what has no
 * end (https://developer.pagerduty.com/docs/events-api-v2-overview). An incident's id is its `dedup_key`.
 */
export function pagerdutyRequest(
  key: string,
  region: keyof typeof HOSTS,
  message: Message,
): ChannelRequest {
  const { incident, kind, rule, severity, database, summary, hint, at, openedAt } = message;
  const payload = {
    summary: `${titleOf(message)}. ${summary}`.slice(0, 1024),
    source: database ?? "nightjar",
    timestamp: at,
    custom_details: { hint, openedAt },
  };
  if (kind === "notice")
    return json(
      `${HOSTS[region]}/v2/change/enqueue`,
      JSON.stringify({ routing_key: key, payload }),
    );
  return json(
    `${HOSTS[region]}/v2/enqueue`,
    JSON.stringify({
      routing_key: key,
      event_action: kind === "closed" ? "resolve" : "trigger",
      dedup_key: incident,
      payload: { ...payload, severity, component: "nightjar", class: rule },
    }),
  );
}
