import { eq, lt } from "drizzle-orm";
import { NightjarError } from "../errors/errors.ts";
import { findBackup } from "./backups.ts";
import { type Catalog, query } from "./open.ts";
import { links } from "./schema.ts";

export type Link = typeof links.$inferSelect;

export function enterLink(catalog: Catalog, link: Omit<Link, "revokedAt">): Promise<unknown> {
  return query(`entering link ${link.id}`, () => catalog.insert(links).values(link).run());
}

export function findLink(catalog: Catalog, id: string): Promise<Link | undefined> {
  return query(`reading link ${id}`, () =>
    catalog.select().from(links).where(eq(links.id, id)).get(),
  );
}

/** Return the database that a link opens something of; undefined if there is no link, or no backup of it. */
export async function databaseOf(
  catalog: Catalog,
  link: Link | undefined,
): Promise<string | undefined> {
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
