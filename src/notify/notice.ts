import { enterIncident } from "../catalog/watch/incidents.ts";
import { randomId } from "../core/deps.ts";
import { log } from "../core/log.ts";
import type { Problem } from "../plan/alerts/alert.ts";
import { takes } from "../plan/alerts/route.ts";
import type { Context } from "../worker/context.ts";
import { deliverMessages } from "./deliver.ts";
import { messageFor, shortened } from "./message.ts";
import { routesOf } from "./routes.ts";

/**
 * Tell of something that happened and has no end. It is sent at once, or by the next minute's cron. A failure
 * is logged: what is told of must not fail by it.
 *
 * @returns the id of the incident that it is kept as; undefined if it could not be entered
 */
export async function giveNotice(context: Context, told: Problem): Promise<string | undefined> {
  const { catalog, config, deps } = context;
  const now = deps.now();
  const problem = shortened(told);
  const channels = routesOf(config.channels)
    .filter((route) => takes(route, problem))
    .map(({ name }) => name);
  const id = randomId(deps);
  const incident = {
    ...{ ...problem, id, openedAt: now, closedAt: now, remindedAt: now, told: channels },
  };
  try {
    await enterIncident(
      catalog,
      incident,
      channels.map((channel) => messageFor(incident, problem, { channel, kind: "notice" }, now)),
    );
  } catch (thrown) {
    log.error("incident-not-entered", thrown, { rule: problem.rule, database: problem.database });
    return undefined;
  }
  context.keepAlive(
    deliverMessages(context, now).catch((thrown: unknown) => log.error("alerts-not-sent", thrown)),
  );
  return id;
}
