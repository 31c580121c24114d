import type { Context } from "../worker/context.ts";
import { randomId } from "../core/deps.ts";
import { NightjarError } from "../errors/errors.ts";
import {
  concerning,
  type Erasure,
  hmacKeyOf,
  hmacOf,
  secretIdOf,
  type StoredErasure,
} from "../format/tables/erasure.ts";
import { log } from "../core/log.ts";
import type { Manifest } from "../model/manifest.ts";
import { type Format, partsOf } from "../plan/formats.ts";
import { addErasure, addWithdrawal, readErasures } from "../store/erasures.ts";
import { checkColumn } from "./erasure-check.ts";

/** A request to add an entry. */
export interface Asked {
  readonly database: string;
  readonly table: string;
  readonly column: string;
  readonly key: string;
  readonly who: string;
  /** Add it even if no such column is known. */
  readonly force: boolean;
}

/**
 * Add an entry to a database's erasure list. The key itself is not stored anywhere.
 *
 * @returns also what the table and its column were checked against, or why they could not be
 * @throws NightjarError `ERASURE_UNKNOWN`, `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function erase(
  context: Context,
  { force, key, ...asked }: Asked,
): Promise<StoredErasure & { checked: string }> {
  const { bucket, config, deps } = context;
  const checked = force
    ? "not checked, as it was forced"
    : await checkColumn(context, asked.database, asked.table, asked.column);
  const salt = randomId(deps, 26);
  const erasure: StoredErasure = {
    format: 2,
    id: randomId(deps),
    ...asked,
    salt,
    keyHash: hmacOf(hmacKeyOf(config.signingKey, salt), key),
    secretId: secretIdOf(config.signingKey, salt),
    at: new Date(deps.now()).toISOString(),
  };
  await addErasure(bucket, erasure);
  const { database, table, column, id } = erasure;
  log.info("erasure-added", { database, table, column, id });
  return { ...erasure, checked };
}

/**
 * Withdraw an entry: it stays in the list, marked, and no longer applies.
 *
 * @throws NightjarError `ERASURE_NOT_FOUND`; `STORE_FAILED`, `STORE_CONFLICT`
 */
export async function withdraw(
  context: Context,
  asked: { database: string; id: string; reason: string; who: string },
): Promise<Erasure> {
  const { database, id, reason, who } = asked;
  const entry = (await erasuresOf(context, database)).find((erasure) => erasure.id === id);
  if (entry === undefined)
    throw new NightjarError(
      "ERASURE_NOT_FOUND",
      `The erasure list of ${database} has no entry ${id.slice(0, 40)}.`,
    );
  if (entry.withdrawn !== undefined) return entry;
  const at = new Date(context.deps.now()).toISOString();
  await addWithdrawal(context.bucket, entry, { format: 1, id, database, at, who, reason });
  log.info("erasure-withdrawn", { database, table: entry.table, column: entry.column, id });
  return { ...entry, withdrawn: { at, who, reason } };
}

/**
 * Read every entry of a database's list, oldest first, each with the HMAC key of its hash, if that is
 * known.
 */
export async function erasuresOf(
  { bucket, config }: Context,
  database: string,
): Promise<Erasure[]> {
  const keys = [config.signingKey, ...config.formerSigningKeys];
  return (await readErasures(bucket, database)).map((erasure) => {
    const { format, salt, secretId } = erasure;
    if (format !== 2) return erasure;
    const key = keys.find((one) => secretIdOf(one, salt) === secretId);
    return key === undefined ? erasure : { ...erasure, hmacKey: hmacKeyOf(key, salt) };
  });
}

/** Read the entries that concern a backup. */
export function erasuresOfBackup(context: Context, manifest: Manifest): Promise<Erasure[]> {
  return erasuresAt(context, manifest.database, manifest.takenAt);
}

/** Read the entries that concern a database as it was at a moment (ISO 8601). */
export async function erasuresAt(
  context: Context,
  database: string,
  moment: string,
): Promise<Erasure[]> {
  return concerning(await erasuresOf(context, database), moment);
}

/**
 * Refuse the forms that an erasure list cannot be applied to: a file's pages keep the bytes of deleted
 * rows. An encrypted backup has no other form: the person who decrypts it applies the list.
 *
 * @throws NightjarError `ERASURE_APPLIES`
 */
export function refuseFile(erasures: readonly Erasure[], format: Format): void {
  const { content, encrypted } = partsOf(format);
  if (erasures.length === 0 || content !== "db" || encrypted === true) return;
  throw new NightjarError(
    "ERASURE_APPLIES",
    `Rows were erased since then, and the pages of a ${format} still hold them (entries of the list: ${erasures.length}).`,
  );
}
