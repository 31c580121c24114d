import { and, eq, lt } from "drizzle-orm";
import { type Catalog, query } from "../open.ts";
import { repeats } from "../schema.ts";

export type Repeat = typeof repeats.$inferSelect;

/**
 * Claim a key for a request, unless it was claimed since `since` (ms).
 *
 * @returns undefined if this request has it now; else the claim that is there
 */
export async function claimKey(
  catalog: Catalog,
  claim: Pick<Repeat, "key" | "request" | "createdAt">,
  since: number,
): Promise<Repeat | undefined> {
  const { key } = claim;
  return query("claiming an idempotency key", async () => {
    const [, claimed, found] = await catalog.batch([
      catalog.delete(repeats).where(and(eq(repeats.key, key), lt(repeats.createdAt, since))),
      catalog.insert(repeats).values(claim).onConflictDoNothing().returning({ key: repeats.key }),
      catalog.select().from(repeats).where(eq(repeats.key, key)),
    ]);
    return claimed.length === 1 ? undefined : found[0]!;
  });
}

/** Keep the answer to a request, for whoever sends it again. */
export function keepAnswer(
  catalog: Catalog,
  key: string,
  answer: Pick<Repeat, "status" | "body" | "location">,
): Promise<unknown> {
  return query("keeping an answer", () =>
    catalog.update(repeats).set(answer).where(eq(repeats.key, key)).run(),
  );
}

/** Give a key back: its request has changed nothing. */
export function releaseKey(catalog: Catalog, key: string): Promise<unknown> {
  return query("giving an idempotency key back", () =>
    catalog.delete(repeats).where(eq(repeats.key, key)).run(),
  );
}

/** Forget keys that were claimed before `before` (ms). */
export function forgetKeys(catalog: Catalog, before: number): Promise<unknown> {
  return query("forgetting old idempotency keys", () =>
    catalog.delete(repeats).where(lt(repeats.createdAt, before)).run(),
  );
}
