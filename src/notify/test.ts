import type { Channel } from "../config/channels.ts";
import { wordsOfMistakes } from "../config/mistakes.ts";
import { randomId } from "../core/deps.ts";
import { iso } from "../core/iso.ts";
import { asNightjarError, type ErrorReport, NightjarError } from "../errors/errors.ts";
import type { Message } from "../plan/alerts/alert.ts";
import type { Context } from "../worker/context.ts";
import { sendMessage } from "./send.ts";

/** Whether a channel takes messages. */
export interface TestResult {
  readonly channel: string;
  readonly error: ErrorReport | null;
}

/** Send a message to a channel now, to see whether it arrives. It opens no incident. */
export async function testChannel(context: Context, channel: Channel): Promise<TestResult> {
  const at = iso(context.deps.now());
  const id = randomId(context.deps);
  const message: Message = {
    ...{ id: `${id}.${channel.name}.notice`, incident: id, kind: "notice", rule: "test" },
    ...{ severity: "warning", database: null, openedAt: at, at },
    summary: `This is a test: alerts of Nightjar reach ${channel.name}.`,
    hint: "There is nothing to do.",
  };
  try {
    const { name, mistakes } = channel;
    if (mistakes.length > 0)
      throw new NightjarError("ALERT_REFUSED", `Channel ${name}: ${wordsOfMistakes(mistakes)}`, {
        hint: "Fix wrangler.toml or the secret, and deploy again.",
      });
    await sendMessage(context, channel, message);
    return { channel: name, error: null };
  } catch (thrown) {
    return { channel: channel.name, error: asNightjarError(thrown).report() };
  }
}
