import { and, sql, type SQL } from "drizzle-orm";
import type { CopyState } from "../../model/copy.ts";
import type { ProofSummary } from "../../model/proof.ts";
import type { Follow } from "../follows.ts";
import type { Lineage } from "../lineages.ts";
import { type Catalog, query } from "../open.ts";
import type { Run } from "../runs.ts";
import { backups, follows, IS_DRILLED, IS_VERIFIED, lineages, runs } from "../schema.ts";
import { type ConfirmedBackup, confirmedOfDatabases } from "./confirmations.ts";
import { ANY, isAmong, isNewestOfEach } from "../among.ts";

/** A backup without its manifest. */
export interface BackupFacts {
  readonly id: string;
  readonly database: string;
  /** ms */
  readonly takenAt: number;
  /** Time until which nothing was committed after it, as far as is known: when it was taken or last confirmed, ms. */
  readonly currentAt: number;
  /** The scheduled moments for which it stands because nothing had changed; undefined for none. */
  readonly stands: ConfirmedBackup | undefined;
  /** Bytes as a database or as SQL, and as they are stored. */
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly kind: "dump" | "snapshot";
  readonly verification: ProofSummary | null;
  readonly drill: ProofSummary | null;
  readonly copy: CopyState | null;
}

/** What the catalog knows of a database's present: everything that its state depends on. */
export interface Standing {
  /** Its backups in number. */
  readonly backups: number;
  readonly newest: BackupFacts | undefined;
  /** The newest whose bytes were read back and found good, and that no drill found bad. */
  readonly verified: BackupFacts | undefined;
  /** The newest whose drill passed, and that no later verify found corrupt. */
  readonly drilled: BackupFacts | undefined;
  /** The run that was asked for last, and the one that ended last. */
  readonly lastRun: Run | undefined;
  readonly lastFinished: Run | undefined;
  readonly follow: Follow | undefined;
  /** The open lineage of its page log. */
  readonly lineage: Lineage | undefined;
}

const EMPTY: Standing = {
  backups: 0,
  newest: undefined,
  verified: undefined,
  drilled: undefined,
  lastRun: undefined,
  lastFinished: undefined,
  follow: undefined,
  lineage: undefined,
};

type BackupRow = Omit<BackupFacts, "currentAt" | "stands">;

/** The columns of a `BackupRow`. */
const backupFacts = {
  id: backups.id,
  database: backups.database,
  takenAt: backups.takenAt,
  rawBytes: sql<number>`json_extract(${backups.manifest}, '$.raw.bytes')`,
  storedBytes: sql<number>`json_extract(${backups.manifest}, '$.stored.bytes')`,
  kind: sql<"dump" | "snapshot">`json_extract(${backups.manifest}, '$.kind')`,
  verification: backups.verification,
  drill: backups.drill,
  copy: backups.copy,
};

/** Does for runs what `isNewestOfEach` does for backups. */
function newestRun(names: string, condition: SQL, order: SQL): SQL {
  return sql`${runs.id} IN (SELECT (SELECT r.id FROM runs r WHERE r.database = n.value AND ${condition} ORDER BY ${order} LIMIT 1) FROM json_each(${names}) n)`;
}

/**
 * Read how databases stand, in one round trip however many they are.
 *
 * @returns a standing for each name, also for those of which the catalog knows nothing
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function standingsOf(
  catalog: Catalog,
  names: readonly string[],
): Promise<Map<string, Standing>> {
  const list = JSON.stringify(names);
  const backupsBy = (condition: SQL) =>
    catalog.select(backupFacts).from(backups).where(isNewestOfEach(names, condition));
  const [counts, newest, verified, drilled, lastRuns, lastFinished, followed, open, confirmed] =
    await query(
      `reading how ${names.length === 1 ? names[0] : `${names.length} databases`} stand`,
      () =>
        catalog.batch([
          catalog
            .select({ database: backups.database, backups: sql<number>`count(*)` })
            .from(backups)
            .where(isAmong(backups.database, names))
            .groupBy(backups.database),
          backupsBy(ANY),
          backupsBy(IS_VERIFIED),
          backupsBy(IS_DRILLED),
          catalog
            .select()
            .from(runs)
            .where(newestRun(list, ANY, sql`r.created_at DESC, r.id DESC`)),
          catalog
            .select()
            .from(runs)
            .where(
              newestRun(
                list,
                sql`r.finished_at IS NOT NULL`,
                sql`r.finished_at DESC, r.created_at DESC`,
              ),
            ),
          catalog.select().from(follows).where(isAmong(follows.database, names)),
          catalog
            .select()
            .from(lineages)
            .where(and(isAmong(lineages.database, names), sql`ended_at IS NULL`))
            .orderBy(lineages.beganAt),
          confirmedOfDatabases(catalog, names),
        ]),
    );
  const stands = new Map(confirmed.map((row) => [row.backupId, row]));
  const current = (row: BackupRow): BackupFacts => {
    const own = stands.get(row.id);
    return { ...row, stands: own, currentAt: Math.max(row.takenAt, own?.confirmedAt ?? 0) };
  };
  const found = new Map<string, Standing>(names.map((name) => [name, EMPTY]));
  const add = (
    rows: readonly { database: string }[],
    change: (row: never) => Partial<Standing>,
  ) => {
    for (const row of rows) {
      const standing = found.get(row.database);
      if (standing !== undefined) found.set(row.database, { ...standing, ...change(row as never) });
    }
  };
  add(counts, ({ backups: number }: { backups: number }) => ({ backups: number }));
  add(newest, (row: BackupRow) => ({ newest: current(row) }));
  add(verified, (row: BackupRow) => ({ verified: current(row) }));
  add(drilled, (row: BackupRow) => ({ drilled: current(row) }));
  add(lastRuns, (row: Run) => ({ lastRun: row }));
  add(lastFinished, (row: Run) => ({ lastFinished: row }));
  add(followed, (row: Follow) => ({ follow: row }));
  add(open, (row: Lineage) => ({ lineage: row }));
  return found;
}
