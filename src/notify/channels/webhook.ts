import { createHmac } from "node:crypto";
import type { Message } from "../../plan/alerts/alert.ts";
import { titleOf } from "../../plan/alerts/incidents.ts";
import { type ChannelRequest, json } from "./request.ts";

/**
 * Make the request of a message to any address, signed as Standard Webhooks says
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
 *
 * @param secret `whsec_` and base64
 * @param now ms
 */
export function webhookRequest(
  url: string,
  secret: string,
  message: Message,
  now: number,
): ChannelRequest {
  const { id, kind, at, ...data } = message;
  const body = JSON.stringify({
    type: `alert.${kind}`,
    timestamp: at,
    data: { ...data, title: titleOf(message) },
  });
  const seconds = Math.floor(now / 1000);
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${seconds}.${body}`).digest("base64");
  return json(url, body, {
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": `v1,${signature}`,
  });
}
