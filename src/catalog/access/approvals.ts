import { and, desc, eq, gt, isNull, or } from "drizzle-orm";
import { comesAfter, type Place } from "../newest-first.ts";
import { type Catalog, query } from "../open.ts";
import { approvals } from "../schema.ts";

export type Approval = typeof approvals.$inferSelect;
type NewApproval = Omit<
  Approval,
  "decidedBy" | "decidedByName" | "decidedAt" | "granted" | "usedAt"
>;

export function enterApproval(catalog: Catalog, approval: NewApproval): Promise<unknown> {
  return query(`entering approval ${approval.id}`, () =>
    catalog.insert(approvals).values(approval).run(),
  );
}

export function findApproval(catalog: Catalog, id: string): Promise<Approval | undefined> {
  return query(`reading approval ${id}`, () =>
    catalog.select().from(approvals).where(eq(approvals.id, id)).get(),
  );
}

/** Find a request of the same person for the same that waits or was granted, and was not used. */
export function openApproval(
  catalog: Catalog,
  digest: string,
  requestedBy: string,
  now: number,
): Promise<Approval | undefined> {
  return query("looking for an open approval", () =>
    catalog
      .select()
      .from(approvals)
      .where(
        and(
          eq(approvals.digest, digest),
          eq(approvals.requestedBy, requestedBy),
          or(isNull(approvals.granted), eq(approvals.granted, true)),
          isNull(approvals.usedAt),
          gt(approvals.expiresAt, now),
        ),
      )
      .limit(1)
      .get(),
  );
}

/** List approvals, newest first. */
export function listApprovals(catalog: Catalog, limit: number, after?: Place): Promise<Approval[]> {
  const older = comesAfter(approvals.requestedAt, approvals.id, after);
  return query("listing the approvals", () =>
    catalog
      .select()
      .from(approvals)
      .where(older)
      .orderBy(desc(approvals.requestedAt), desc(approvals.id))
      .limit(limit),
  );
}

/** Grant or deny a request. Return false if it has expired, or somebody has decided before. */
export function decideApproval(
  catalog: Catalog,
  id: string,
  decision: { granted: boolean; decidedBy: string; decidedByName: string },
  now: number,
): Promise<boolean> {
  return query(`deciding approval ${id}`, async () => {
    const decided = await catalog
      .update(approvals)
      .set({ ...decision, decidedAt: now })
      .where(and(eq(approvals.id, id), isNull(approvals.granted), gt(approvals.expiresAt, now)))
      .returning({ id: approvals.id });
    return decided.length === 1;
  });
}

/** Use a granted approval, once. Return false if it is not granted, was used, or has expired. */
export function useApproval(catalog: Catalog, id: string, now: number): Promise<boolean> {
  return query(`using approval ${id}`, async () => {
    const used = await catalog
      .update(approvals)
      .set({ usedAt: now })
      .where(
        and(
          eq(approvals.id, id),
          eq(approvals.granted, true),
          isNull(approvals.usedAt),
          gt(approvals.expiresAt, now),
        ),
      )
      .returning({ id: approvals.id });
    return used.length === 1;
  });
}
