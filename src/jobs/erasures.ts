import type { Context } from "../context.ts";
import { randomId } from "../deps.ts";
import { NightjarError } from "../errors.ts";
import { concerning, type Erasure, hashKey } from "../format/erasure.ts";
import { log } from "../log.ts";
import type { Manifest } from "../manifest.ts";
import { type Format, partsOf } from "../plan/formats.ts";
import { addErasure, readErasures } from "../store/erasures.ts";

/**
 * Add an entry to a database's erasure list. The key itself is kept nowhere.
 *
 * @throws NightjarError `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function erase(
  { bucket, deps }: Context,
  asked: { database: string; table: string; column: string; key: string; who: string },
): Promise<Erasure> {
  const { database, table, column, key, who } = asked;
  const salt = randomId(deps, 26);
  const at = new Date(deps.now()).toISOString();
  const keyHash = hashKey(salt, key);
  const erasure: Erasure = {
    format: 1,
    id: randomId(deps),
    database,
    table,
    column,
    salt,
    keyHash,
    at,
    who,
  };
  await addErasure(bucket, erasure);
  log.info("erasure-added", { database, table, column, id: erasure.id });
  return erasure;
}

/** The entries that concern a backup. @throws NightjarError as `readErasures` */
export function erasuresOfBackup(context: Context, manifest: Manifest): Promise<Erasure[]> {
  return erasuresAt(context, manifest.database, manifest.takenAt);
}

/** The entries that concern a database as it was at a moment (ISO 8601). */
export async function erasuresAt(
  { bucket }: Context,
  database: string,
  moment: string,
): Promise<Erasure[]> {
  return concerning(await readErasures(bucket, database), moment);
}

/**
 * Refuse the forms that an erasure list cannot be applied to: a file's pages keep the bytes of rows that
 * are gone. What is encrypted has no other form: whoever opens it applies the list.
 *
 * @throws NightjarError `ERASURE_APPLIES`
 */
export function refuseFile(erasures: readonly Erasure[], format: Format): void {
  const { content, encrypted } = partsOf(format);
  if (erasures.length === 0 || content === "sql" || encrypted === true) return;
  throw new NightjarError(
    "ERASURE_APPLIES",
    `Rows were erased since then, and the pages of a ${format} still hold them (entries of the list: ${erasures.length}).`,
  );
}
