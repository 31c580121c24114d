import type { Channel } from "../config/channels.ts";
import type { Route } from "../plan/alerts/route.ts";

/** Return the routes of the channels that can be used. */
export function routesOf(channels: readonly Channel[]): Route[] {
  return channels.flatMap(({ name, settings, mistakes }) => {
    if (settings === undefined || mistakes.length > 0) return [];
    const { databases, severity, rules, quiet, timezone, remind } = settings;
    return [{ name, databases, severity, rules, quiet, timezone, remindMs: remind }];
  });
}
