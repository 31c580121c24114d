import { and, desc, eq, isNull } from "drizzle-orm";
import { comesAfter, type Place } from "../newest-first.ts";
import { type Catalog, query } from "../open.ts";
import { tokens } from "../schema.ts";

export type Token = typeof tokens.$inferSelect;

export function enterToken(
  catalog: Catalog,
  token: Omit<Token, "lastUsedAt" | "revokedAt">,
): Promise<unknown> {
  return query(`entering token ${token.id}`, () => catalog.insert(tokens).values(token).run());
}

export function findToken(catalog: Catalog, id: string): Promise<Token | undefined> {
  return query(`reading token ${id}`, () =>
    catalog.select().from(tokens).where(eq(tokens.id, id)).get(),
  );
}

/** List tokens, newest first, the revoked and the expired too. @param after the last of the page before */
export function listTokens(catalog: Catalog, limit: number, after?: Place): Promise<Token[]> {
  const older = comesAfter(tokens.createdAt, tokens.id, after);
  return query("listing the tokens", () =>
    catalog
      .select()
      .from(tokens)
      .where(older)
      .orderBy(desc(tokens.createdAt), desc(tokens.id))
      .limit(limit),
  );
}

/** Revoke a token for good. Return false if there is none of this id, or it was revoked before. */
export function revokeToken(catalog: Catalog, id: string, now: number): Promise<boolean> {
  return query(`revoking token ${id}`, async () => {
    const revoked = await catalog
      .update(tokens)
      .set({ revokedAt: now })
      .where(and(eq(tokens.id, id), isNull(tokens.revokedAt)))
      .returning({ id: tokens.id });
    return revoked.length === 1;
  });
}

export function touchToken(catalog: Catalog, id: string, now: number): Promise<unknown> {
  return query(`recording a use of token ${id}`, () =>
    catalog.update(tokens).set({ lastUsedAt: now }).where(eq(tokens.id, id)).run(),
  );
}
