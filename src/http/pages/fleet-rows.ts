import { daysOf } from "../../catalog/calendar.ts";
import { standingsOf } from "../../catalog/fleet/standings.ts";
import { lastRefreshes } from "../../catalog/refreshes.ts";
import { iso } from "../../core/iso.ts";
import { calendarOf, dayOf, type DayState } from "../../plan/calendar.ts";
import type { Health } from "../../read/health.ts";
import type { FleetRow } from "../../web/pages/fleet.tsx";
import type { Context } from "../../worker/context.ts";
import type { KnownDatabase } from "../configured.ts";
import { objectiveView, refreshesView } from "../views.ts";

/** Days of one calendar. */
const DAYS = 90;

/** Return the last days of databases, by their names. */
export async function calendarsOf(
  { catalog, deps }: Context,
  databases: readonly KnownDatabase[],
): Promise<Map<string, DayState[]>> {
  const now = deps.now();
  const names = databases.map(({ name }) => name);
  const facts = await daysOf(catalog, names, dayOf(now) - DAYS + 1, DAYS);
  return new Map(
    databases.map(({ name, config }) => [
      name,
      calendarOf(facts.get(name) ?? new Map(), config?.schedule, DAYS, now),
    ]),
  );
}

/** Return databases as the fleet's page shows them. */
export async function fleetRows(
  context: Context,
  shown: readonly KnownDatabase[],
  healths: ReadonlyMap<string, Health>,
): Promise<FleetRow[]> {
  const { catalog } = context;
  const unknown = shown.filter(({ config }) => config === undefined).map(({ name }) => name);
  const refreshed = shown.filter(({ config }) => config?.refresh !== undefined);
  const [days, standings, refreshes] = await Promise.all([
    calendarsOf(context, shown),
    standingsOf(catalog, unknown),
    lastRefreshes(
      catalog,
      refreshed.map(({ name }) => name),
    ),
  ]);
  return shown.map(({ name, config }) => {
    const health = healths.get(name);
    const { newest, drilled } = health?.standing ?? standings.get(name)!;
    return {
      ...{ name, state: health?.state ?? "not configured", days: days.get(name)! },
      ...{ takenAt: iso(newest?.takenAt), drilledAt: iso(drilled?.takenAt) },
      nextRunAt: iso(health?.nextRunAt),
      recoveryPoint: health === undefined ? null : objectiveView(health.recoveryPoint),
      recoveryTime: health === undefined ? null : objectiveView(health.recoveryTime),
      refresh: config === undefined ? null : refreshesView(config, refreshes.get(name)),
    };
  });
}
