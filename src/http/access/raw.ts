import { NightjarError } from "../../errors/errors.ts";
import { type Proof, QUERY_CHECK } from "../../model/proof.ts";
import { hasScope, type Rights } from "../../plan/access.ts";
import type { Context } from "../../worker/context.ts";

/**
 * Refuse values of a database as they are, where that takes a scope that the caller does not have.
 *
 * @throws NightjarError `SANITIZE_REQUIRED`
 */
export async function refuseRaw(context: Context, database: string, rights: Rights): Promise<void> {
  if (!(await mayHaveRaw(context, database, rights))) throw rawRefused(database);
}

async function mayHaveRaw({ fleet }: Context, database: string, rights: Rights): Promise<boolean> {
  return hasScope(rights, "download:raw") || !(await fleet.rawNeedsScope(database));
}

/** Return a proof without what its queries answered, where that may be a value that the caller may not have. */
export async function withoutAnswers(
  context: Context,
  proof: Proof,
  rights: Rights,
): Promise<Proof> {
  if (await mayHaveRaw(context, proof.database, rights)) return proof;
  const checks = proof.checks.map((check) =>
    check.ok && check.name.startsWith(QUERY_CHECK) ? { ...check, detail: "answered" } : check,
  );
  return { ...proof, checks };
}

/** Make the error for values that are not given as they are. */
export function rawRefused(database: string): NightjarError {
  return new NightjarError(
    "SANITIZE_REQUIRED",
    `The values of ${database} are given sanitized only: as they are they take the scope download:raw.`,
  );
}
