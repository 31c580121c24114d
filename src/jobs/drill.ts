import type { Context } from "../context.ts";
import { type ErrorCode, type ErrorReport, NightjarError } from "../errors.ts";
import type { TableDigest } from "../format/table-digest.ts";
import { countRows } from "../format/table-rows.ts";
import type { Manifest } from "../manifest.ts";
import type { Outcome, Proof } from "../proof.ts";
import { digestTables } from "../sqlite/digest-tables.ts";
import { hashSchema } from "../sqlite/facts.ts";
import type { Image } from "../sqlite/image.ts";
import { DEFAULT_LIMITS, query } from "../sqlite/query.ts";
import { readSchema, readTables } from "../sqlite/tables.ts";
import { DAMAGE, Findings } from "./findings.ts";
import { restoreInScratch, type Scratch } from "./scratch.ts";
import { sameSchema } from "./verify-facts.ts";

/** A drill that ends in one of these could not be held here, and says nothing of the backup. */
const UNPROVEN: readonly ErrorCode[] = [
  "DRILL_IMPOSSIBLE",
  "QUERY_LIMIT",
  "BACKUP_ENCRYPTED",
  "IDENTITY_UNFIT",
];
const KNOWN: readonly ErrorCode[] = [...DAMAGE, ...UNPROVEN, "DRILL_FAILED", "QUERY_FAILED"];

/**
 * Rehearse a restore: bring a backup back in scratch space, ask SQLite whether it is sound, count and
 * hash every table, and hold that against what was recorded at capture. What cannot be restored here is
 * `unproven` and says why; it never passes.
 *
 * @throws NightjarError `STORE_FAILED` when the bucket cannot be read: then nothing is known
 */
export async function drillBackup(
  context: Context,
  manifest: Manifest,
): Promise<Pick<Proof, "outcome" | "problem" | "checks" | "tables" | "recoveryMs">> {
  const { config, deps } = context;
  const begun = deps.now();
  const findings = new Findings(KNOWN);
  const { checks } = findings;
  const userChecks = config.databases.get(manifest.database)?.checks ?? [];
  let scratch: Scratch | undefined;
  let tables: TableDigest[] = [];
  let recoveryMs: number | null = null;
  try {
    await findings.check("restore", async () => {
      scratch = await restoreInScratch(context, manifest);
      return scratch.detail;
    });
    await findings.check("integrity", async () => {
      const detail = await integrity(scratch!);
      recoveryMs = deps.now() - begun;
      return detail;
    });
    await findings.check("foreign keys", () => foreignKeys(scratch!.image));
    await findings.check("rows", async () => {
      const { image } = scratch!;
      const schema = await readSchema(image);
      tables = await digestTables(image, await readTables(image, schema));
      // A dump's hash is over its own statements, which the verify has compared.
      if (manifest.kind === "snapshot") sameSchema(manifest, hashSchema(schema));
      return sameCounts(manifest, tables);
    });
    for (const sql of userChecks)
      await findings.check(`check: ${sql}`, () => holds(scratch!.image, sql, () => deps.now()));
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

async function integrity({ image, pragma }: Scratch): Promise<string> {
  const found = await image.rows(`PRAGMA ${pragma}`, (row) => row.text(0));
  if (found.length === 1 && found[0] === "ok") return `${pragma}: ok`;
  throw failed(`SQLite's ${pragma} finds: ${found.slice(0, 3).join("; ")}.`);
}

/** Rows that break a foreign key are the source's own, as the bytes are; they are told, not judged. */
async function foreignKeys(image: Image): Promise<string> {
  const broken = await image.rows("PRAGMA foreign_key_check", (row) => row.text(0));
  if (broken.length === 0) return "foreign_key_check: no row breaks one";
  return `foreign_key_check: ${broken.length} rows break one, as in the source, first in ${broken[0]}`;
}

function sameCounts(manifest: Manifest, tables: readonly TableDigest[]): string {
  const captured = new Map(manifest.tables.map(({ name, rows }) => [name, rows]));
  for (const { name, rows } of tables) {
    const known = captured.get(name);
    // A dump is not counted where it speaks of SQLite's own table.
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
  const { rows } = await query(image, { sql }, DEFAULT_LIMITS, now);
  const value = rows[0]?.[0];
  if (value === undefined || value === null || value === 0)
    throw failed(`The check answered ${value === undefined ? "no row" : String(value)}.`);
  return `answered ${typeof value === "object" ? JSON.stringify(value) : String(value)}`;
}

function failed(message: string): NightjarError {
  return new NightjarError("DRILL_FAILED", message);
}
