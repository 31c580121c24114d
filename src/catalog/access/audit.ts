import { and, asc, desc, eq, gt, gte, lt, type SQL } from "drizzle-orm";
import type { Action, AuditRow, Outcome } from "../../model/audit.ts";
import { type Catalog, query } from "../open.ts";
import { audit, auditEnds } from "../schema.ts";

/** The end of the audit as the catalog keeps it. */
export type AuditEnd = Omit<typeof auditEnds.$inferSelect, "id">;

/** The one row of `audit_ends`. */
const END = 1;

export function auditEnd(catalog: Catalog): Promise<AuditEnd | undefined> {
  return query("reading the end of the audit", () =>
    catalog.select().from(auditEnds).where(eq(auditEnds.id, END)).get(),
  );
}

/**
 * Append a row and move the end, both or neither.
 *
 * @throws NightjarError `CATALOG_CONFLICT` if another row has come in between; `CATALOG_FAILED`
 */
export async function appendAudit(catalog: Catalog, row: AuditRow, end: AuditEnd): Promise<void> {
  await query(`appending row ${row.seq} to the audit`, () =>
    catalog.batch([
      catalog.insert(audit).values(row),
      catalog
        .insert(auditEnds)
        .values({ id: END, ...end })
        .onConflictDoUpdate({ target: auditEnds.id, set: end }),
    ]),
  );
}

/** Read rows in the order in which they were appended, from the one after `after` on. */
export function auditRowsAfter(
  catalog: Catalog,
  after: number,
  limit: number,
): Promise<AuditRow[]> {
  return query("reading the audit", () =>
    catalog.select().from(audit).where(gt(audit.seq, after)).orderBy(asc(audit.seq)).limit(limit),
  );
}

/** Which rows of the audit are wanted. */
export interface AuditFilter {
  readonly database?: string | undefined;
  readonly action?: Action | undefined;
  readonly outcome?: Outcome | undefined;
  readonly actor?: string | undefined;
  /** From this moment on, and before that one; ms. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/** List rows, newest first. @param before only rows before this `seq` */
export function listAudit(
  catalog: Catalog,
  { database, action, outcome, actor, since, until }: AuditFilter,
  limit: number,
  before?: number,
): Promise<AuditRow[]> {
  const is = <T>(value: T | undefined, condition: (value: T) => SQL) =>
    value === undefined ? undefined : condition(value);
  const wanted = and(
    is(before, (seq) => lt(audit.seq, seq)),
    is(database, (name) => eq(audit.database, name)),
    is(action, (name) => eq(audit.action, name)),
    is(outcome, (name) => eq(audit.outcome, name)),
    is(actor, (id) => eq(audit.actor, id)),
    is(since, (from) => gte(audit.at, from)),
    is(until, (to) => lt(audit.at, to)),
  );
  return query("listing the audit", () =>
    catalog.select().from(audit).where(wanted).orderBy(desc(audit.seq)).limit(limit),
  );
}
