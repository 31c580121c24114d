import * as v from "valibot";
import { type Backup, existingBackup, noSuchBackup } from "../../catalog/backups.ts";
import { iso } from "../../core/iso.ts";
import { isTable } from "../../errors/schema-issue.ts";
import { momentAt } from "../../read/moment.ts";
import type { Stored } from "../../read/stored.ts";
import type { Context } from "../../worker/context.ts";
import { atField } from "../fields.ts";

const STATE = 'must be {"backup": "<id>"} or {"at": "<moment>"}';
const ID = "must be a backup's id";
const ofBackup = v.strictObject({ backup: v.pipe(v.string(ID), v.minLength(1, ID)) }, STATE);
const ofMoment = v.strictObject({ at: atField }, STATE);

/** A state of a database, as a request names it: a backup, or a moment of the page log. */
export const stateField = v.pipe(
  v.lazy((given): typeof ofBackup | typeof ofMoment =>
    isTable(given) && "at" in given ? ofMoment : ofBackup,
  ),
  v.metadata({ choices: [ofBackup, ofMoment] }),
);

/** A state that is stored, and its backup if it is one. */
interface Found {
  readonly stored: Stored;
  readonly backup: Backup | undefined;
}

/**
 * Find the state that a request names.
 *
 * @throws NightjarError `BACKUP_NOT_FOUND`, `MOMENT_UNAVAILABLE`
 */
export async function findState(
  context: Context,
  database: string,
  wanted: v.InferOutput<typeof stateField>,
): Promise<Found> {
  if ("at" in wanted) {
    const moment = await momentAt(context, database, Date.parse(wanted.at));
    return { stored: { moment }, backup: undefined };
  }
  const backup = await existingBackup(context.catalog, wanted.backup);
  if (backup.database !== database) throw noSuchBackup(wanted.backup);
  return { stored: { manifest: backup.manifest }, backup };
}

/** Return what identifies the content of a state, for the audit. */
export function wordOf(stored: Stored): string {
  if ("manifest" in stored) return stored.manifest.id;
  return `${stored.moment.lineage}-${stored.moment.txid}`;
}

/** Return the words for a state, for people. */
export function wordsOf(stored: Stored): string {
  if ("manifest" in stored) return `backup ${stored.manifest.id} of ${stored.manifest.database}`;
  const { database, committedAt } = stored.moment;
  return `${database} as of ${iso(committedAt)}`;
}
