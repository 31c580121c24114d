import { and, desc, eq, inArray, isNull, lt, or, sql } from "drizzle-orm";
import { NightjarError } from "../../errors/errors.ts";
import { findBackup } from "../backups.ts";
import { comesAfter, type Place } from "../newest-first.ts";
import { type Catalog, query } from "../open.ts";
import { links } from "../schema.ts";

export type Link = typeof links.$inferSelect;

export function enterLink(
  catalog: Catalog,
  link: Omit<Link, "revokedAt" | "uses">,
): Promise<unknown> {
  return query(`entering link ${link.id}`, () => catalog.insert(links).values(link).run());
}

export function findLink(catalog: Catalog, id: string): Promise<Link | undefined> {
  return query(`reading link ${id}`, () =>
    catalog.select().from(links).where(eq(links.id, id)).get(),
  );
}

/**
 * Count a use of a link. Return false if it gives no more, or was revoked meanwhile: two readers at once
 * never share the last use.
 */
export function useLink(catalog: Catalog, id: string): Promise<boolean> {
  return query(`counting a use of link ${id}`, async () => {
    const used = await catalog
      .update(links)
      .set({ uses: sql`${links.uses} + 1` })
      .where(
        and(
          eq(links.id, id),
          isNull(links.revokedAt),
          or(isNull(links.maxUses), lt(links.uses, links.maxUses)),
        ),
      )
      .returning({ id: links.id });
    return used.length === 1;
  });
}

/** List links, newest first. @param databases only links to these; undefined for all */
export function listLinks(
  catalog: Catalog,
  databases: readonly string[] | undefined,
  limit: number,
  after?: Place,
): Promise<Link[]> {
  const older = comesAfter(links.createdAt, links.id, after);
  return query("listing the links", () =>
    catalog
      .select()
      .from(links)
      .where(and(databases && inArray(links.database, [...databases]), older))
      .orderBy(desc(links.createdAt), desc(links.id))
      .limit(limit),
  );
}

/** Return the database that a link opens something of; undefined if there is no link, or no backup of it. */
export async function databaseOf(
  catalog: Catalog,
  link: Link | undefined,
): Promise<string | undefined> {
  if (link?.database != null) return link.database;
  const [kind, database] = link?.subject.split("/") ?? [];
  if (kind === "log") return database;
  return link && (await findBackup(catalog, link.subject))?.database;
}

export function noSuchLink(id: string): NightjarError {
  return new NightjarError("NOT_FOUND", `There is no link ${id.slice(0, 100)}, or it has expired.`);
}

/** Revoke a link for good. Return false if there is no link of this id. */
export function revokeLink(catalog: Catalog, id: string, now: number): Promise<boolean> {
  return query(`revoking link ${id}`, async () => {
    const revoked = await catalog
      .update(links)
      .set({ revokedAt: now })
      .where(eq(links.id, id))
      .returning({ id: links.id });
    return revoked.length === 1;
  });
}

export function forgetExpiredLinks(catalog: Catalog, now: number): Promise<unknown> {
  return query("forgetting expired links", () =>
    catalog.delete(links).where(lt(links.expiresAt, now)).run(),
  );
}
