import type { Context } from "../../worker/context.ts";
import {
  asNightjarError,
  type ErrorCode,
  type ErrorReport,
  NightjarError,
} from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { checkIntegrity, integrityWords, lackOf } from "../../format/tables/integrity.ts";
import { refuseUnfinished } from "../../format/tables/restore-marker.ts";
import type { TableDigest } from "../../format/tables/digest.ts";
import { countRows } from "../../format/tables/rows.ts";
import type { Manifest } from "../../model/manifest.ts";
import { type Outcome, type Proof, QUERY_CHECK } from "../../model/proof.ts";
import { digestTable, isHeld } from "../../sqlite/digest-tables.ts";
import { hashSchema } from "../../sqlite/facts.ts";
import type { Image } from "../../sqlite/engine/image.ts";
import { DEFAULT_LIMITS, runQuery } from "../../sqlite/query.ts";
import { describeTables, readSchema, type SchemaObject, type Table } from "../../sqlite/tables.ts";
import { DAMAGE, Findings } from "./findings.ts";
import { restoreInScratch, type Scratch } from "./scratch.ts";
import { sameSchema } from "./verify-facts.ts";

/** Errors that mean that the drill could not be run here; they say nothing about the backup. */
const UNPROVEN: readonly ErrorCode[] = [
  "DRILL_IMPOSSIBLE",
  "DUMP_UNSAFE",
  "QUERY_LIMIT",
  "SCHEMA_TOO_LARGE",
  "TURSO_ONLY",
  "BACKUP_ENCRYPTED",
  "IDENTITY_UNFIT",
];
const KNOWN: readonly ErrorCode[] = [...DAMAGE, ...UNPROVEN, "DRILL_FAILED", "QUERY_FAILED"];

/**
 * Rehearse a restore: restore a backup in scratch space, ask SQLite whether it is sound, count and hash
 * every table, and compare the result with what was recorded at capture. A backup that cannot be
 * restored here is `unproven`, with the reason; it never passes.
 *
 * @throws NightjarError `STORE_FAILED` if the bucket cannot be read: nothing is known then
 */
export async function drillBackup(
  context: Context,
  manifest: Manifest,
): Promise<Pick<Proof, "outcome" | "problem" | "checks" | "tables" | "recoveryMs">> {
  const { fleet, deps } = context;
  const begun = deps.now();
  const findings = new Findings(KNOWN);
  const { checks } = findings;
  const userChecks = (await fleet.settings(manifest.database))?.checks ?? [];
  let scratch: Scratch | undefined;
  let tables: TableDigest[] = [];
  let recoveryMs: number | null = null;
  try {
    await findings.check("restore", async () => {
      scratch = await restoreInScratch(context, manifest);
      return scratch.detail;
    });
    let schema: SchemaObject[] = [];
    await findings.check("integrity", async () => {
      schema = await readSchema(scratch!.image);
      const detail = await integrity(scratch!, schema);
      recoveryMs = deps.now() - begun;
      return detail;
    });
    await findings.check("foreign keys", () => foreignKeys(scratch!.image, schema));
    await findings.check("rows", async () => {
      const { image } = scratch!;
      const all = describeTables(schema);
      const read = await digestReadable(image, all);
      tables = read.digests;
      // A dump's hash is over its own statements, which the verify has compared.
      if (manifest.kind === "snapshot") sameSchema(manifest, hashSchema(schema));
      const detail = sameCounts(manifest, tables);
      if (read.unread.length > 0)
        throw new NightjarError(
          "DRILL_IMPOSSIBLE",
          `This SQLite cannot read every table: ${read.unread.join("; ")}.`,
        );
      return detail;
    });
    await findings.check("finished", async () => {
      refuseUnfinished(schema);
      return "no unfinished restore has left it";
    });
    for (const sql of userChecks)
      await findings.check(QUERY_CHECK + sql, () => holds(scratch!.image, sql, () => deps.now()));
  } finally {
    scratch?.image.close();
  }
  const { problem } = findings;
  return { outcome: outcomeOf(problem), problem, checks, tables, recoveryMs };
}

function outcomeOf(problem: ErrorReport | null): Outcome {
  if (problem === null) return "passed";
  return UNPROVEN.includes(problem.code) ? "unproven" : "failed";
}

/**
 * Fail if the database is damaged. Rows that break a rule of their own schema also do so at the source,
 * as the bytes are those that were captured: they are reported, but are not a failure. What this SQLite
 * lacks is reported too.
 */
async function integrity(
  { image, pragma }: Scratch,
  schema: readonly SchemaObject[],
): Promise<string> {
  const found = await checkIntegrity(
    (sql) => image.rows(sql, (row) => row.text(0) ?? ""),
    pragma,
    schema,
  );
  if (found.damage.length > 0)
    throw failed(`SQLite's ${pragma} finds: ${found.damage.slice(0, 3).join("; ")}.`);
  return `${pragma}: ${integrityWords(found) ?? "ok"}`;
}

/**
 * Report rows that break a foreign key. They are not a failure: the bytes are those of the source, so
 * the rows break it there too.
 */
async function foreignKeys(image: Image, schema: readonly SchemaObject[]): Promise<string> {
  let rows = 0;
  let first: string | undefined;
  const unchecked = new Set<string>();
  for (const { type, name, sql } of schema) {
    if (type !== "table" || !/\breferences\b/i.test(sql ?? "")) continue;
    try {
      const [broken] = await image.rows(
        "SELECT count(*) FROM pragma_foreign_key_check(?1)",
        (row) => Number(row.integer(0)),
        [{ text: encode(name) }],
      );
      rows += broken!;
      if (broken! > 0) first ??= name;
    } catch (thrown) {
      const lack = lackOf(asNightjarError(thrown).message);
      if (lack === undefined) throw thrown;
      unchecked.add(lack);
    }
  }
  const words =
    rows === 0
      ? "no row breaks one"
      : `${rows} rows break one, as in the source, first in ${first}`;
  const rest =
    unchecked.size === 0 ? "" : `; not checked, as SQLite says: ${[...unchecked].join("; ")}`;
  return `foreign_key_check: ${words}${rest}`;
}

/** Count and hash every table that this SQLite can read, and list the others. */
async function digestReadable(
  image: Image,
  tables: readonly Table[],
): Promise<{ digests: TableDigest[]; unread: string[] }> {
  const digests: TableDigest[] = [];
  const unread: string[] = [];
  for (const table of tables) {
    if (!isHeld(table)) continue;
    try {
      digests.push(await digestTable(image, table));
    } catch (thrown) {
      const lack = lackOf(asNightjarError(thrown).message);
      if (lack === undefined) throw thrown;
      unread.push(`${table.name} (${lack})`);
    }
  }
  return { digests, unread };
}

function sameCounts(manifest: Manifest, tables: readonly TableDigest[]): string {
  const captured = new Map(manifest.tables.map(({ name, rows }) => [name, rows]));
  for (const { name, rows } of tables) {
    const known = captured.get(name);
    // The rows that a dump has for SQLite's own table are not counted at capture.
    if (
      known === undefined
        ? rows > 0 && name !== "sqlite_sequence"
        : known !== null && known !== rows
    )
      throw failed(`The table ${name} came back with ${rows} rows, not ${known ?? 0}.`);
  }
  return `${countRows(tables)} rows in ${tables.length} tables, as counted at capture`;
}

async function holds(image: Image, sql: string, now: () => number): Promise<string> {
  const { rows } = await runQuery(image, { sql }, DEFAULT_LIMITS, now);
  const value = rows[0]?.[0];
  if (value === undefined || value === null || value === 0)
    throw failed(`The check answered ${value === undefined ? "no row" : String(value)}.`);
  return `answered ${typeof value === "object" ? JSON.stringify(value) : String(value)}`;
}

function failed(message: string): NightjarError {
  return new NightjarError("DRILL_FAILED", message);
}
