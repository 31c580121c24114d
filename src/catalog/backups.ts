import { and, asc, count, desc, eq, gte, inArray, lt, type SQL, sql } from "drizzle-orm";
import { NightjarError } from "../errors/errors.ts";
import type { Manifest, Pin } from "../model/manifest.ts";
import type { Tier } from "../plan/tier.ts";
import type { Act, Outcome, ProofSummary } from "../model/proof.ts";
import { comesAfter, type Place } from "./newest-first.ts";
import { type Catalog, query } from "./open.ts";
import { backups, confirmations, databases, IS_DRILLED, IS_VERIFIED, runs } from "./schema.ts";
import { isAmong } from "./among.ts";

export type Backup = typeof backups.$inferSelect;

/** Enter a backup by its manifest; entering the same again changes nothing. */
export function enterBackup(catalog: Catalog, manifest: Manifest): Promise<unknown> {
  const { id, runId, database, tier } = manifest;
  const takenAt = Date.parse(manifest.takenAt);
  return query(`entering backup ${id}`, () =>
    catalog
      .insert(backups)
      .values({ id, runId, database, tier, takenAt, manifest })
      .onConflictDoNothing({ target: backups.id })
      .run(),
  );
}

export function findBackup(catalog: Catalog, id: string): Promise<Backup | undefined> {
  return query(`reading backup ${id}`, () =>
    catalog.select().from(backups).where(eq(backups.id, id)).get(),
  );
}

/** Return the manifests of some backups by their ids; ids without a backup are left out. */
export function manifestsOf(
  catalog: Catalog,
  ids: readonly string[],
): Promise<Map<string, Manifest>> {
  return query(`reading ${ids.length} manifests`, async () => {
    const found = new Map<string, Manifest>();
    for (let at = 0; at < ids.length; at += 90) {
      const { id, manifest } = backups;
      const some = inArray(id, ids.slice(at, at + 90)); // D1 takes 100 parameters a query
      for (const row of await catalog.select({ id, manifest }).from(backups).where(some))
        found.set(row.id, row.manifest);
    }
    return found;
  });
}

/** Return a backup that must exist. @throws NightjarError `BACKUP_NOT_FOUND`, `CATALOG_FAILED` */
export async function existingBackup(catalog: Catalog, id: string): Promise<Backup> {
  const backup = await findBackup(catalog, id);
  if (backup !== undefined) return backup;
  throw noSuchBackup(id);
}

export function noSuchBackup(id: string): NightjarError {
  return new NightjarError("BACKUP_NOT_FOUND", `There is no backup ${id.slice(0, 100)}.`);
}

/** Return the backup that a run has made. */
export function backupOfRun(catalog: Catalog, runId: string): Promise<Backup | undefined> {
  return query(`reading the backup of run ${runId}`, () =>
    catalog.select().from(backups).where(eq(backups.runId, runId)).get(),
  );
}

export function newestBackup(catalog: Catalog, database: string): Promise<Backup | undefined> {
  return newestWhere(catalog, database);
}

/** Return the newest backup of a database that no proof has found bad. */
export function newestGood(catalog: Catalog, database: string): Promise<Backup | undefined> {
  return newestWhere(
    catalog,
    database,
    sql`${outcomeOf(backups.verification)} IS NOT 'corrupt' AND ${outcomeOf(backups.drill)} IS NOT 'failed'`,
  );
}

/** Count the backups of every database that has any, in the order of the databases' names. */
export function backupCounts(catalog: Catalog): Promise<Map<string, number>> {
  return query("counting the backups", async () => {
    const rows = await catalog
      .select({ database: backups.database, count: count() })
      .from(backups)
      .groupBy(backups.database)
      .orderBy(asc(backups.database));
    return new Map(rows.map((row) => [row.database, row.count]));
  });
}

export function countBackups(catalog: Catalog, database: string): Promise<number> {
  return query(`counting the backups of ${database}`, () =>
    catalog.$count(backups, eq(backups.database, database)),
  );
}

function newestWhere(
  catalog: Catalog,
  database: string,
  condition?: SQL,
): Promise<Backup | undefined> {
  return query(`reading the newest backup of ${database}`, () =>
    catalog
      .select()
      .from(backups)
      .where(and(eq(backups.database, database), condition))
      .orderBy(desc(backups.takenAt), desc(backups.id))
      .limit(1)
      .get(),
  );
}

/** Record the summary of a backup's newest proof. */
export function recordProof(
  catalog: Catalog,
  id: string,
  act: Act,
  summary: ProofSummary,
): Promise<unknown> {
  const change = act === "verify" ? { verification: summary } : { drill: summary };
  return query(`recording the ${act} of backup ${id}`, () =>
    catalog.batch([
      catalog.update(backups).set(change).where(eq(backups.id, id)),
      catalog
        .update(databases)
        .set({ watchedAt: 0 })
        .where(sql`${databases.name} = (SELECT database FROM backups WHERE id = ${id})`),
    ]),
  );
}

const outcomeOf = (column: typeof backups.verification | typeof backups.drill) =>
  sql<Outcome | null>`json_extract(${column}, '$.outcome')`;

/**
 * Return the newest backup of a database whose bytes were read back and found good, and that no drill
 * found bad.
 */
export function newestVerified(catalog: Catalog, database: string): Promise<Backup | undefined> {
  return newestWhere(catalog, database, IS_VERIFIED);
}

/** Return the newest backup of a database whose drill passed, and which no later verify found corrupt. */
export function newestDrilled(catalog: Catalog, database: string): Promise<Backup | undefined> {
  return newestWhere(catalog, database, IS_DRILLED);
}

/** The facts of a backup that reading it in place needs. */
export interface StateOfBackup {
  readonly id: string;
  readonly kind: Manifest["kind"];
  readonly encrypted: boolean;
  readonly takenAt: number;
  readonly key: string;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** Of a snapshot: its last commit, ISO 8601, and its place in the log. */
  readonly committedAt: string | null;
  readonly lineage: string | null;
  readonly txid: number | null;
}

/** List all backups of a database, oldest first, without their manifests: there may be thousands. */
export function statesOfBackups(catalog: Catalog, database: string): Promise<StateOfBackup[]> {
  const { id, takenAt, manifest } = backups;
  const fact = <T>(path: string) => sql<T>`json_extract(${manifest}, ${path})`;
  return query(`listing the backups of ${database}`, () =>
    catalog
      .select({
        ...{ id, takenAt, kind: fact<Manifest["kind"]>("$.kind"), key: fact<string>("$.key") },
        encrypted: sql<boolean>`json_type(${manifest}, '$.encryption') IS NOT NULL`.mapWith(
          Boolean,
        ),
        storedBytes: fact<number>("$.stored.bytes"),
        rawBytes: fact<number>("$.raw.bytes"),
        committedAt: fact<string | null>("$.snapshot.committedAt"),
        lineage: fact<string | null>("$.snapshot.log.lineage"),
        txid: fact<number | null>("$.snapshot.log.txid"),
      })
      .from(backups)
      .where(eq(backups.database, database))
      .orderBy(asc(backups.takenAt), asc(backups.id)),
  );
}

/** Which backups are wanted. */
export interface BackupFilter {
  readonly tier?: Tier | undefined;
  /** A part of the name, or of the newest migration's. */
  readonly name?: string | undefined;
  readonly migration?: string | undefined;
  /** A label's name, or its name and value as `name=value`. */
  readonly label?: string | undefined;
  /** Taken from this moment on, and before that one; ms. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

function conditionsOf({ tier, name, migration, label, since, until }: BackupFilter) {
  const holds = (path: string, part: string | undefined) =>
    part === undefined
      ? undefined
      : sql`instr(lower(json_extract(${backups.manifest}, ${path})), lower(${part})) > 0`;
  const [key = "", ...value] = label?.split("=") ?? [];
  const labels = sql`SELECT 1 FROM json_each(${backups.manifest}, '$.labels') l WHERE l.key = ${key}`;
  const labelled =
    value.length === 0
      ? sql`EXISTS (${labels})`
      : sql`EXISTS (${labels} AND l.value = ${value.join("=")})`;
  return and(
    tier && eq(backups.tier, tier),
    holds("$.name", name),
    holds("$.schema.migration.name", migration),
    label === undefined ? undefined : labelled,
    since === undefined ? undefined : gte(backups.takenAt, since),
    until === undefined ? undefined : lt(backups.takenAt, until),
  );
}

/** Return a page of a database's backups after `cursor`, newest first. */
export function listBackups(
  catalog: Catalog,
  database: string,
  limit: number,
  cursor?: Place,
  filter: BackupFilter = {},
): Promise<Backup[]> {
  const after = and(comesAfter(backups.takenAt, backups.id, cursor), conditionsOf(filter));
  return query(`listing the backups of ${database}`, () =>
    catalog
      .select()
      .from(backups)
      .where(and(eq(backups.database, database), after))
      .orderBy(desc(backups.takenAt), desc(backups.id))
      .limit(limit),
  );
}

/** The facts of a backup that pruning needs. */
export type Prunable = Pick<Backup, "id" | "database" | "tier" | "takenAt"> & {
  /** The key of its bytes. */
  key: string;
  /** Outcome of the newest verify; null before the first. */
  verification: Outcome | null;
  /**
   * The holder of its pin; null if it is not pinned. A pinned backup's manifest names the copy under
   * `pinned/`.
   */
  pin: Pin["by"] | null;
  /** What it stands for because nothing had changed. */
  confirmed: readonly { tier: Tier; lastFor: number }[];
};

const holder = sql<Pin["by"] | null>`json_extract(${backups.manifest}, '$.pin.by')`;

/** Read the backups of some databases as pruning needs them, newest first within each. */
export function backupsForPruning(catalog: Catalog, names: readonly string[]): Promise<Prunable[]> {
  const { id, database, tier, takenAt, manifest } = backups;
  const key = sql<string>`json_extract(${manifest}, '$.key')`;
  const verification = outcomeOf(backups.verification);
  return query(`listing the backups of ${names.length} databases`, async () => {
    const [rows, stands] = await catalog.batch([
      catalog
        .select({ id, database, tier, takenAt, key, verification, pin: holder })
        .from(backups)
        .where(isAmong(database, names))
        .orderBy(database, desc(takenAt)),
      catalog
        .select({
          id: confirmations.backupId,
          tier: confirmations.tier,
          lastFor: confirmations.lastFor,
        })
        .from(confirmations)
        .where(isAmong(confirmations.database, names)),
    ]);
    const confirmed = Map.groupBy(stands, (stand) => stand.id);
    return rows.map((row) => ({ ...row, confirmed: confirmed.get(row.id) ?? [] }));
  });
}

/**
 * Point a backup at its other place: its pinned copy, or its own.
 *
 * @param heldBy change it only while this is the holder of its pin
 * @returns true if the row was there and was changed
 */
export function repointBackup(
  catalog: Catalog,
  id: string,
  manifest: Manifest,
  heldBy?: Pin["by"],
): Promise<boolean> {
  const condition = heldBy === undefined ? undefined : sql`${holder} = ${heldBy}`;
  return query(`pointing backup ${id} to ${manifest.key}`, async () => {
    const pointed = await catalog
      .update(backups)
      .set({ manifest })
      .where(and(eq(backups.id, id), condition))
      .returning({ id: backups.id });
    return pointed.length === 1;
  });
}

/** Return those of up to 90 backups that are pinned by hand. */
export function pinnedByHand(catalog: Catalog, ids: string[]): Promise<string[]> {
  return query("looking for pins", async () => {
    const pinned = await catalog
      .select({ id: backups.id })
      .from(backups)
      .where(and(inArray(backups.id, ids), sql`${holder} = 'user'`));
    return pinned.map(({ id }) => id);
  });
}

/** List the facts of every backup that a comparison of the bucket with the catalog needs. */
export function allForReconciling(catalog: Catalog) {
  const { id, takenAt, manifest } = backups;
  const key = sql<string>`json_extract(${manifest}, '$.key')`;
  const manifestKey = sql<string>`json_extract(${manifest}, '$.manifestKey')`;
  const verification = outcomeOf(backups.verification);
  return query("listing all backups", () =>
    catalog.select({ id, takenAt, key, manifestKey, verification }).from(backups),
  );
}

/** Remove the rows of up to 90 backups that are not pinned by hand, and of the runs that made them. */
export function removeBackups(catalog: Catalog, ids: string[]): Promise<unknown> {
  const rows = and(inArray(backups.id, ids), sql`${holder} IS NOT 'user'`);
  const made = catalog.select({ id: backups.runId }).from(backups).where(rows);
  const doomed = catalog.select({ id: backups.id }).from(backups).where(rows);
  return query(`removing ${ids.length} backups`, () =>
    catalog.batch([
      catalog.delete(runs).where(inArray(runs.id, made)),
      catalog.delete(confirmations).where(inArray(confirmations.backupId, doomed)),
      catalog.delete(backups).where(rows),
    ]),
  );
}
