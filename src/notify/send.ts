import { type Channel, channelSecrets } from "../config/channels.ts";
import { readText } from "../core/read-body.ts";
import { messageOf, NightjarError } from "../errors/errors.ts";
import type { Message } from "../plan/alerts/alert.ts";
import type { Context } from "../worker/context.ts";
import { discordRequest } from "./channels/discord.ts";
import { emailOf } from "./channels/email.ts";
import { pagerdutyRequest } from "./channels/pagerduty.ts";
import type { ChannelRequest } from "./channels/request.ts";
import { slackRequest } from "./channels/slack.ts";
import { webhookRequest } from "./channels/webhook.ts";

/** Time that a channel has for its answer, ms. */
const PATIENCE = 10_000;
/** Characters of a refusal that are repeated. */
const QUOTED = 200;

/**
 * Send a message to a channel.
 *
 * @throws NightjarError `ALERT_REFUSED`, `ALERT_UNREACHABLE`; neither holds the channel's address
 */
export async function sendMessage(
  context: Context,
  channel: Channel,
  message: Message,
): Promise<void> {
  const { name, settings } = channel;
  const { config, deps, email } = context;
  if (settings === undefined) throw new NightjarError("ALERT_REFUSED", `Channel ${name} is wrong.`);
  if (settings.type === "email") {
    try {
      await email!.send(emailOf(settings.from, settings.to, message));
    } catch (thrown) {
      throw new NightjarError(
        "ALERT_REFUSED",
        `Email to ${name} was not taken: ${messageOf(thrown)}`,
        {
          cause: thrown,
        },
      );
    }
    return;
  }
  const secret = (key: string) => config.secret(key)!; // a channel without its secrets is not used
  const requestFor = (): ChannelRequest => {
    switch (settings.type) {
      case "webhook":
        return webhookRequest(secret(settings.url), secret(settings.secret), message, deps.now());
      case "discord":
        return discordRequest(secret(settings.url), message);
      case "slack":
        return slackRequest(secret(settings.url), message);
      case "pagerduty":
        return pagerdutyRequest(secret(settings.key), settings.region, message);
    }
  };
  const secrets = channelSecrets(channel).map((one) => secret(one.name));
  await post(context, `Channel ${name}`, requestFor(), secrets);
}

/**
 * Send a request, and accept any answer of 200 to 299. A redirect is not followed: it would show the address,
 * which is a secret, or the message to somebody else.
 *
 * @param what the receiver, for people
 * @param secrets what an error must not repeat
 * @throws NightjarError `ALERT_REFUSED`, `ALERT_UNREACHABLE`
 */
export async function post(
  { deps }: Pick<Context, "deps">,
  what: string,
  { url, body, headers }: ChannelRequest,
  secrets: readonly string[],
): Promise<void> {
  const shown = (text: string) =>
    [url, ...secrets].reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  let response: Response;
  try {
    response = await deps.fetch(url, {
      ...{ method: "POST", headers: { ...headers, "user-agent": "nightjar" }, body },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch (thrown) {
    const why = shown(messageOf(thrown));
    throw new NightjarError("ALERT_UNREACHABLE", `${what} cannot be reached: ${why}`);
  }
  if (response.status >= 200 && response.status < 300) {
    await response.body?.cancel().catch(() => undefined);
    return;
  }
  const said = await readText(response, QUOTED * 4).catch(() => "");
  const words = shown(said).replaceAll(/\s+/g, " ").trim().slice(0, QUOTED);
  const wait = Number(response.headers.get("retry-after"));
  throw new NightjarError(
    "ALERT_REFUSED",
    `${what} answered ${response.status}${words === "" ? "." : `: ${words}`}`,
    {
      facts: {
        ...(wait > 0 && { retryAfter: String(Math.min(wait, 3600)) }),
        // These say that this message is wrong; any other answer, that no message is taken now.
        ...([400, 413, 422].includes(response.status) && { refused: "message" }),
      },
    },
  );
}
