import { and, asc, eq, inArray, isNull, lt, lte, sql } from "drizzle-orm";
import type { ErrorReport } from "../../errors/errors.ts";
import type { Message } from "../../plan/alerts/alert.ts";
import { type Catalog, query } from "../open.ts";
import { deliveries, incidents } from "../schema.ts";

export type Delivery = typeof deliveries.$inferSelect;

/** A message that is to be sent to a channel. */
export interface NewDelivery {
  readonly channel: string;
  readonly message: Message;
}

const isPending = and(isNull(deliveries.deliveredAt), isNull(deliveries.abandonedAt));

/** Make the statement that enters messages; one that is entered already stays as it is. */
export function insertDeliveries(catalog: Catalog, messages: readonly NewDelivery[]) {
  return messages.map(({ channel, message }) => {
    const { id, incident, kind, at } = message;
    const createdAt = Date.parse(at);
    return catalog
      .insert(deliveries)
      .values({ id, incident, channel, kind, message, createdAt, nextTryAt: createdAt })
      .onConflictDoNothing();
  });
}

/** List the channels that messages wait for. */
export function pendingChannels(catalog: Catalog): Promise<string[]> {
  return query("looking for messages to send", async () => {
    const rows = await catalog
      .selectDistinct({ channel: deliveries.channel })
      .from(deliveries)
      .where(isPending);
    return rows.map(({ channel }) => channel);
  });
}

/**
 * List what waits for a channel, oldest first.
 *
 * @param quiet only messages of incidents of which a critical message waits
 */
export function pendingFor(
  catalog: Catalog,
  channel: string,
  quiet: boolean,
  limit: number,
): Promise<Delivery[]> {
  const mine = and(eq(deliveries.channel, channel), isPending);
  const loud = catalog
    .select({ incident: deliveries.incident })
    .from(deliveries)
    .where(and(mine, sql`json_extract(${deliveries.message}, '$.severity') = 'critical'`));
  return query(`reading the messages to ${channel}`, () =>
    catalog
      .select()
      .from(deliveries)
      .where(and(mine, quiet ? inArray(deliveries.incident, loud) : undefined))
      .orderBy(asc(deliveries.createdAt), asc(sql`${deliveries}.rowid`))
      .limit(limit),
  );
}

/**
 * Take a message, so that nobody else sends it meanwhile. Return false if somebody has, or it was sent.
 *
 * @param until time from which on it may be taken again, ms: whoever took it is dead then
 */
export function takeDelivery(
  catalog: Catalog,
  { id, attempts }: Delivery,
  now: number,
  until: number,
): Promise<boolean> {
  return query(`taking message ${id}`, async () => {
    const taken = await catalog
      .update(deliveries)
      .set({ attempts: attempts + 1, takenUntil: until })
      .where(
        and(
          eq(deliveries.id, id),
          eq(deliveries.attempts, attempts),
          lte(deliveries.takenUntil, now),
          isPending,
        ),
      )
      .returning({ id: deliveries.id });
    return taken.length === 1;
  });
}

export function recordDelivered(catalog: Catalog, id: string, now: number): Promise<unknown> {
  return query(`recording message ${id}`, () =>
    catalog
      .update(deliveries)
      .set({ deliveredAt: now, error: null })
      .where(eq(deliveries.id, id))
      .run(),
  );
}

/** Record that a try failed: when there is another one (ms), or that there is none. */
export function recordUndelivered(
  catalog: Catalog,
  id: string,
  error: ErrorReport,
  now: number,
  then: { readonly nextTryAt: number } | { readonly abandonedAt: number },
): Promise<unknown> {
  return query(`recording message ${id}`, () =>
    catalog
      .update(deliveries)
      .set({
        error,
        takenUntil: 0,
        failedAt: sql`coalesce(${deliveries.failedAt}, ${now})`,
        ...then,
      })
      .where(eq(deliveries.id, id))
      .run(),
  );
}

/** How a channel is doing. Moments in ms. */
export interface ChannelState {
  readonly channel: string;
  /** Messages that wait, and the time of the first try in vain of any of them. */
  readonly pending: number;
  readonly failingSince: number | null;
  readonly lastDeliveredAt: number | null;
  readonly lastError: ErrorReport | null;
}

/** Return how channels are doing, by their names. */
export function channelStates(catalog: Catalog, names: readonly string[]): Promise<ChannelState[]> {
  const list = JSON.stringify(names);
  return query("reading how the channels are doing", async () => {
    const [last, waits] = await Promise.all([
      // One look into an index for each, however many messages there were.
      catalog.all<{ channel: string; lastDeliveredAt: number | null }>(
        sql`SELECT n.value AS channel, (SELECT max(d.delivered_at) FROM deliveries d WHERE d.channel = n.value) AS "lastDeliveredAt" FROM json_each(${list}) n`,
      ),
      catalog
        .select({
          channel: deliveries.channel,
          pending: sql<number>`count(*)`,
          failingSince: sql<number | null>`min(${deliveries.failedAt})`,
          error: sql<string | null>`max(${deliveries.error})`,
        })
        .from(deliveries)
        .where(sql`delivered_at IS NULL AND abandoned_at IS NULL`)
        .groupBy(deliveries.channel),
    ]);
    const waiting = new Map(waits.map((row) => [row.channel, row]));
    return last.map(({ channel, lastDeliveredAt }) => {
      const { pending = 0, failingSince = null, error = null } = waiting.get(channel) ?? {};
      const lastError = error === null ? null : (JSON.parse(error) as ErrorReport);
      return { channel, lastDeliveredAt, pending, failingSince, lastError };
    });
  });
}

/** Forget incidents that were closed before `before` (ms), with their messages. */
export function forgetIncidents(catalog: Catalog, before: number): Promise<unknown> {
  const old = lt(incidents.closedAt, before);
  const ids = catalog.select({ id: incidents.id }).from(incidents).where(old);
  return query("forgetting old incidents", () =>
    catalog.batch([
      catalog.delete(deliveries).where(inArray(deliveries.incident, ids)),
      catalog.delete(incidents).where(old),
    ]),
  );
}
