import type { Context as HonoContext } from "hono";
import { backupCounts } from "../../catalog/backups.ts";
import { hasMoreDiscovered } from "../../catalog/fleet/discovered.ts";
import { openIncidents } from "../../catalog/watch/incidents.ts";
import { reaches, reachesWhole, type Rights } from "../../plan/access.ts";
import { headline } from "../../plan/alerts/incidents.ts";
import { STATES } from "../../plan/freshness.ts";
import { fleetHealth } from "../../read/health.ts";
import type { Context } from "../../worker/context.ts";
import { type Fleet, FleetPage } from "../../web/pages/fleet.tsx";
import type { KnownDatabase } from "../configured.ts";
import { listKnown } from "../databases/list-known.ts";
import type { HttpEnv } from "../hono-env.ts";
import { fleetRows } from "./fleet-rows.ts";
import { show } from "./page.ts";

/** Databases of one page. */
const PAGE = 50;
/** A fleet of more databases is listed by name: no page reads how all of it is. */
const MOST = 500;
/** Incidents that are listed; the page of alerts has all. */
const LISTED = 10;

/** Show all databases that a reader reaches: those that need somebody first, or by name where they are many. */
export async function showFleet(c: HonoContext<HttpEnv>): Promise<Response> {
  const { name: who, rights } = c.get("caller");
  const [isLarge, incidents] = await Promise.all([
    hasMany(c.env, rights),
    openIncidents(c.env.catalog),
  ]);
  const own = incidents
    .filter(({ database }) => reachesWhole(rights, database))
    .toSorted((a, b) => Number(b.severity === "critical") - Number(a.severity === "critical"))
    .slice(0, LISTED)
    .map((incident) => ({ ...incident, title: headline(incident) }));
  const query = c.req.query();
  const found = isLarge
    ? await pageByName(c.env, rights, query)
    : await pageByState(c.env, rights, query);
  return show(c, FleetPage({ ...found, who, incidents: own, now: c.env.deps.now() }));
}

/** Return true if a reader may reach more databases than one page can judge. */
async function hasMany({ config, catalog }: Context, rights: Rights): Promise<boolean> {
  if (rights.databases !== undefined || config.turso === undefined) return false;
  return hasMoreDiscovered(catalog, Math.max(0, MOST - config.databases.size));
}

type Query = Readonly<Record<string, string>>;
type Found = Pick<Fleet, "databases" | "list">;

async function pageByName(
  context: Context,
  rights: Rights,
  { prefix = "", after = "" }: Query,
): Promise<Found> {
  const first = after > prefix ? after : beforeName(prefix);
  const found = await listKnown(context, rights, first, PAGE + 1);
  const fitting = found.filter(({ name }) => name.startsWith(prefix));
  const shown = fitting.slice(0, PAGE);
  const configs = shown.flatMap(({ config }) => config ?? []);
  const healths = await fleetHealth(context, configs);
  const next = fitting.length > PAGE ? shown.at(-1)!.name : undefined;
  const isFirst = first !== after || after === "";
  return {
    databases: await fleetRows(context, shown, healths),
    list: { by: "name", prefix, next, isFirst },
  };
}

/** Return a text that sorts before a name and its continuations, and after all names that sort before it. */
function beforeName(name: string): string {
  if (name === "") return "";
  const last = name.charCodeAt(name.length - 1);
  return `${name.slice(0, -1)}${String.fromCharCode(Math.max(1, last - 1))}\uFFFD`;
}

async function pageByState(
  context: Context,
  rights: Rights,
  { page: wanted }: Query,
): Promise<Found> {
  const { fleet, catalog } = context;
  const reached =
    rights.databases === undefined ? await fleet.all() : await fleet.findAll(rights.databases);
  const known = [...reached.values()];
  const [healths, stored] = await Promise.all([fleetHealth(context, known), backupCounts(catalog)]);
  const worst = (name: string) => STATES.indexOf(healths.get(name)!.state);
  const all: KnownDatabase[] = known
    .map((one) => ({ name: one.name, config: one }))
    .toSorted((a, b) => worst(a.name) - worst(b.name) || a.name.localeCompare(b.name));
  const counts = new Map<string, number>();
  for (const { state } of healths.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const name of stored.keys())
    if (!reached.has(name) && reaches(rights, name)) all.push({ name, config: undefined });
  const pages = Math.max(1, Math.ceil(all.length / PAGE));
  const page = Math.min(pages, Math.max(1, Math.floor(Number(wanted) || 1)));
  const shown = all.slice((page - 1) * PAGE, page * PAGE);
  return {
    databases: await fleetRows(context, shown, healths),
    list: { by: "state", counts, page, pages },
  };
}
