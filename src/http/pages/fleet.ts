import type { Context as HonoContext } from "hono";
import { backupCounts } from "../../catalog/backups.ts";
import { daysOf } from "../../catalog/calendar.ts";
import { lastRefreshes } from "../../catalog/refreshes.ts";
import { standingsOf } from "../../catalog/fleet/standings.ts";
import { openIncidents } from "../../catalog/watch/incidents.ts";
import { iso } from "../../core/iso.ts";
import { reaches, reachesWhole } from "../../plan/access.ts";
import { headline } from "../../plan/alerts/incidents.ts";
import { calendarOf, dayOf, type DayState } from "../../plan/calendar.ts";
import { STATES } from "../../plan/freshness.ts";
import { fleetHealth } from "../../read/health.ts";
import type { Context } from "../../worker/context.ts";
import { FleetPage, type FleetRow } from "../../web/pages/fleet.tsx";
import type { KnownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { objectiveView, refreshesView } from "../views.ts";
import { show } from "./page.ts";

/** Databases of one page, and days of one calendar. */
const PAGE = 50;
const DAYS = 90;
/** Incidents that are listed; the page of alerts has all. */
const LISTED = 10;

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

/** Show all databases that a reader reaches, those that need somebody first. */
export async function showFleet(c: HonoContext<HttpEnv>): Promise<Response> {
  const { catalog, deps } = c.env;
  const configured = c.env.config.databases;
  const { name: who, rights } = c.get("caller");
  const known = [...configured.values()].filter(({ name }) => reaches(rights, name));
  const [healths, stored, incidents] = await Promise.all([
    fleetHealth(c.env, known),
    backupCounts(catalog),
    openIncidents(catalog),
  ]);
  const worst = (name: string) => STATES.indexOf(healths.get(name)!.state);
  const all: KnownDatabase[] = known
    .map((one) => ({ name: one.name, config: one }))
    .toSorted((a, b) => worst(a.name) - worst(b.name) || a.name.localeCompare(b.name));
  const counts = new Map<string, number>();
  for (const { state } of healths.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const name of stored.keys())
    if (!configured.has(name) && reaches(rights, name)) all.push({ name, config: undefined });

  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  const page = Math.min(pages, Math.max(1, Math.floor(Number(c.req.query("page")) || 1)));
  const shown = all.slice((page - 1) * PAGE, page * PAGE);
  const unknown = shown.filter(({ config }) => config === undefined).map(({ name }) => name);
  const refreshed = shown.filter(({ config }) => config?.refresh !== undefined);
  const [days, standings, refreshes] = await Promise.all([
    calendarsOf(c.env, shown),
    standingsOf(catalog, unknown),
    lastRefreshes(
      catalog,
      refreshed.map(({ name }) => name),
    ),
  ]);
  const databases = shown.map(({ name, config }): FleetRow => {
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
  const own = incidents
    .filter(({ database }) => reachesWhole(rights, database))
    .toSorted((a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"))
    .slice(0, LISTED)
    .map((incident) => ({ ...incident, title: headline(incident) }));
  return show(
    c,
    FleetPage({ who, databases, counts, page, pages, incidents: own, now: deps.now() }),
  );
}
