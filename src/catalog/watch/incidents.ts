import { and, desc, eq, inArray, isNull, type SQL } from "drizzle-orm";
import type { Rule } from "../../plan/alerts/alert.ts";
import type { Incident } from "../../plan/alerts/incidents.ts";
import { comesAfter, type Place } from "../newest-first.ts";
import { type Delivery, insertDeliveries, type NewDelivery } from "./deliveries.ts";
import { type Catalog, query } from "../open.ts";
import { deliveries, incidents } from "../schema.ts";

type Row = typeof incidents.$inferSelect;

const toRow = ({ database, told, ...rest }: Incident): Row => ({
  ...rest,
  database: database ?? "",
  told: [...told],
});
const fromRow = ({ database, ...rest }: Row): Incident => ({
  ...rest,
  database: database === "" ? null : database,
});

export function openIncidents(catalog: Catalog): Promise<Incident[]> {
  return query("reading the open incidents", async () =>
    (await catalog.select().from(incidents).where(isNull(incidents.closedAt))).map(fromRow),
  );
}

/**
 * Enter an incident with its messages: both or neither.
 *
 * @throws NightjarError `CATALOG_CONFLICT` if the same incident is open already; `CATALOG_FAILED`
 */
export function enterIncident(
  catalog: Catalog,
  incident: Incident,
  messages: readonly NewDelivery[],
): Promise<unknown> {
  return query(`opening an incident of ${incident.database ?? "all databases"}`, () =>
    catalog.batch([
      catalog.insert(incidents).values(toRow(incident)),
      ...insertDeliveries(catalog, messages),
    ]),
  );
}

/** Change an open incident, and enter the messages that tell of it: both or neither. */
export function changeIncident(
  catalog: Catalog,
  incident: Incident,
  messages: readonly NewDelivery[],
): Promise<unknown> {
  const { id, ...row } = toRow(incident);
  return query(`changing incident ${id}`, () =>
    catalog.batch([
      catalog
        .update(incidents)
        .set(row)
        .where(and(eq(incidents.id, id), isNull(incidents.closedAt))),
      ...insertDeliveries(catalog, messages),
    ]),
  );
}

export async function findIncident(
  catalog: Catalog,
  id: string,
): Promise<{ incident: Incident; deliveries: Delivery[] } | undefined> {
  return query(`reading incident ${id}`, async () => {
    const row = await catalog.select().from(incidents).where(eq(incidents.id, id)).get();
    if (row === undefined) return undefined;
    const sent = await catalog
      .select()
      .from(deliveries)
      .where(eq(deliveries.incident, id))
      .orderBy(deliveries.createdAt, deliveries.id);
    return { incident: fromRow(row), deliveries: sent };
  });
}

/** Which incidents are wanted. */
export interface IncidentFilter {
  readonly open?: boolean | undefined;
  readonly rule?: Rule | undefined;
  /** Only of these databases; undefined for all, and for those that concern all. */
  readonly databases?: readonly string[] | undefined;
}

/** List incidents, newest first. */
export function listIncidents(
  catalog: Catalog,
  { open, rule, databases }: IncidentFilter,
  limit: number,
  after?: Place,
): Promise<Incident[]> {
  const wanted: (SQL | undefined)[] = [
    open === true ? isNull(incidents.closedAt) : undefined,
    rule && eq(incidents.rule, rule),
    databases && inArray(incidents.database, [...databases]),
    comesAfter(incidents.openedAt, incidents.id, after),
  ];
  return query("listing the incidents", async () => {
    const rows = await catalog
      .select()
      .from(incidents)
      .where(and(...wanted))
      .orderBy(desc(incidents.openedAt), desc(incidents.id))
      .limit(limit);
    return rows.map(fromRow);
  });
}
