import {
  type Delivery,
  pendingChannels,
  pendingFor,
  recordDelivered,
  recordUndelivered,
  takeDelivery,
} from "../catalog/watch/deliveries.ts";
import type { Channel } from "../config/channels.ts";
import { log } from "../core/log.ts";
import { asNightjarError, NightjarError } from "../errors/errors.ts";
import { isQuiet } from "../plan/alerts/route.ts";
import { DAY, HOUR, MINUTE } from "../plan/duration.ts";
import type { Context } from "../worker/context.ts";
import { sendMessage } from "./send.ts";
import { routesOf } from "./routes.ts";

/** Messages that one channel is sent in one minute. */
const AT_ONCE = 20;
/** Messages that are looked at: some of them may wait for others, or for their next try. */
const LOOKED_AT = 200;
/** Pauses between two tries, ms. */
const SHORTEST_PAUSE = MINUTE;
const LONGEST_PAUSE = HOUR;
/** Time for which a message is tried, ms. */
const PATIENCE = 3 * DAY;
/** Tries to record that a message was sent, and the pause between two, ms. */
const RECORD_TRIES = 4;
const RECORD_PAUSE = 250;
/** Time for which nobody else may send a message that is being sent, ms. */
const TAKEN = 5 * MINUTE;

/**
 * Send what waits to be sent. A channel that fails does not hold up the others, and is asked again after a
 * growing pause. A message is recorded as sent after its channel took it: if the Worker is killed in between,
 * it is sent again with the same id.
 *
 * @param now ms
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function deliverMessages(context: Context, now: number): Promise<void> {
  const names = await pendingChannels(context.catalog);
  const ended = await Promise.allSettled(names.map((name) => deliverTo(context, name, now)));
  const failed = ended.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function deliverTo(context: Context, name: string, now: number): Promise<void> {
  const { catalog, config } = context;
  const channel = config.channels.find((one) => one.name === name);
  const [route] = routesOf(channel === undefined ? [] : [channel]);
  // What began with a warning is told before what became critical of it, also in the night.
  const quiet = route !== undefined && isQuiet(route, now);
  const due = await pendingFor(catalog, name, quiet, LOOKED_AT);
  if (channel === undefined || route === undefined) {
    await abandonOld(context, due, now);
    return;
  }
  const held = new Set<string>();
  let works = false;
  let tries = 0;
  for (const delivery of due) {
    const { incident, nextTryAt } = delivery;
    if (tries === AT_ONCE) return;
    // What is over is told after what began. A channel that works again is given everything at once.
    if (held.has(incident) || (nextTryAt > now && !works)) {
      held.add(incident);
      continue;
    }
    tries++;
    const outcome = await deliver(context, channel, delivery, now);
    if (outcome === "down") return;
    if (outcome === "sent") works = true;
    else held.add(incident);
  }
}

/**
 * Send one message.
 *
 * @returns `kept` if it is tried again later, or somebody else is sending it; `down` if the channel takes no
 *   message at all
 */
async function deliver(
  context: Context,
  channel: Channel,
  delivery: Delivery,
  now: number,
): Promise<"sent" | "kept" | "down"> {
  const { catalog } = context;
  const { id, attempts, createdAt } = delivery;
  if (!(await takeDelivery(catalog, delivery, now, now + TAKEN))) return "kept";
  try {
    await sendMessage(context, channel, delivery.message);
  } catch (thrown) {
    const error = asNightjarError(thrown);
    log.error("alert-not-delivered", error, { message: id, channel: channel.name });
    const asked = Number(error.facts["retryAfter"] ?? 0) * 1000;
    const pause = Math.min(SHORTEST_PAUSE * 2 ** Math.min(attempts, 20), LONGEST_PAUSE);
    const then =
      now - createdAt > PATIENCE
        ? { abandonedAt: now }
        : { nextTryAt: now + Math.max(asked, pause) };
    await recordUndelivered(catalog, id, error.report(), now, then);
    return error.facts["refused"] === "message" ? "kept" : "down";
  }
  await recordSent(context, id);
  log.info("alert-delivered", { message: id, channel: channel.name });
  return "sent";
}

/** Record that a message was sent. It is worth some tries: whoever finds no record sends it again. */
async function recordSent({ catalog, deps }: Context, id: string): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      await recordDelivered(catalog, id, deps.now());
      return;
    } catch (thrown) {
      if (tries === RECORD_TRIES) throw thrown;
      await deps.sleep(RECORD_PAUSE * tries);
    }
}

/** Give up what a channel that is gone, or whose entry is wrong, was not sent for days. */
async function abandonOld(
  { catalog }: Context,
  waiting: readonly Delivery[],
  now: number,
): Promise<void> {
  const error = new NightjarError("ALERT_REFUSED", "The channel is not configured, or wrongly.");
  for (const { id, createdAt } of waiting)
    if (now - createdAt > PATIENCE)
      await recordUndelivered(catalog, id, error.report(), now, { abandonedAt: now });
}
