import { Buffer } from "node:buffer";
import { type Erased, type Erasure, isErased } from "../format/tables/erasure.ts";
import { lowerName } from "../format/tables/selection.ts";
import { cleanFullText } from "./full-text.ts";
import { type ErasingDatabase, failed, failErasure, textsOf } from "./port.ts";
import { quoteName } from "../format/sql/quote.ts";

/** Keys in one DELETE at most. */
const KEYS_AT_ONCE = 500;

/** A column that identifies whose a row is, and the entries of the list about it. */
interface Target {
  readonly table: string;
  readonly column: string;
  readonly virtual: boolean;
  readonly matching: readonly Erasure[];
}

/**
 * Delete exactly the rows that an erasure list names, in a database that no other connection has open:
 * those whose value as text (`keyOf`) has the same bytes as the key. Collations and types do not matter,
 * and no trigger runs. The caller must turn foreign keys off. The words of the rows are removed from
 * full-text indexes. If the list names no row, nothing is written.
 *
 * @throws NightjarError `ERASURE_FAILED` when a table or an index cannot be cleaned; then the database must
 *   not be handed out. Whatever `database` throws
 */
export async function eraseRows(
  database: ErasingDatabase,
  erasures: readonly Erasure[],
): Promise<Erased> {
  const { targets, unapplied } = await targetsIn(database, erasures);
  const decode = await decoderOf(database);
  const rows = new Map<string, number>();
  for (const target of targets) {
    const { table } = target;
    await failErasure(`Rows of ${table} that are erased cannot be deleted`, async () => {
      const found = await findKeys(database, target, decode);
      if (found.rows === 0) return;
      if (rows.size === 0) await setAside(database, targets);
      await deleteKeys(database, target, found.keys);
      rows.set(table, (rows.get(table) ?? 0) + found.rows);
    });
  }
  if (rows.size > 0) {
    const named = new Set(targets.map(({ table }) => lowerName(table)));
    await cleanFullText(database, new Set([...rows.keys()].map(lowerName)), named, ASIDE);
    await forgetSamples(database, [...rows.keys()]);
    await putBack(database);
  }
  return { tables: [...rows].map(([table, count]) => ({ table, rows: count })), unapplied };
}

/** Find the columns that the list names. A table that does not exist has no rows. */
async function targetsIn(database: ErasingDatabase, erasures: readonly Erasure[]) {
  const targets: Target[] = [];
  const unapplied: { table: string; column: string }[] = [];
  for (const [table, entries] of Map.groupBy(erasures, (entry) => entry.table)) {
    const kind = await kindOf(database, table);
    if (kind === undefined) continue;
    const columns =
      kind === "view"
        ? []
        : await failErasure(
            `The columns of ${table} cannot be read, which rows are erased from`,
            () => textsOf(database, "SELECT name FROM pragma_table_xinfo(?1)", [table]),
          );
    const has = new Set(columns.map(lowerName));
    for (const [column, matching] of Map.groupBy(entries, (entry) => entry.column))
      if (has.has(lowerName(column)))
        targets.push({ table, column, virtual: kind === "virtual", matching });
      else unapplied.push({ table, column });
  }
  return { targets, unapplied };
}

async function kindOf(
  database: ErasingDatabase,
  name: string,
): Promise<"table" | "virtual" | "view" | undefined> {
  const [kind] = await textsOf(
    database,
    "SELECT CASE WHEN type = 'table' AND rootpage = 0 THEN 'virtual' ELSE type END FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')",
    [name],
  );
  return kind as "table" | "virtual" | "view" | undefined;
}

/**
 * Return the SQL for the text of a key that is hashed. `CAST(x AS TEXT)` gives a REAL 15 significant digits up
 * to SQLite 3.50, and more in later versions.
 */
export function keyText(column: string): string {
  const value = quoteName(column);
  return `CASE typeof(${value}) WHEN 'real' THEN printf('%!.15g', ${value}) ELSE CAST(${value} AS TEXT) END`;
}

function keyOf(column: string): string {
  return `CAST(${keyText(column)} AS BLOB)`;
}

/** Find the keys of a column that are on the list, as they are stored, and count the rows that have one. */
async function findKeys(
  database: ErasingDatabase,
  { table, column, virtual, matching }: Target,
  decode: (bytes: Uint8Array) => Uint8Array,
): Promise<{ keys: Uint8Array[]; rows: number }> {
  const keys = new Map<string, Uint8Array>();
  let rows = 0;
  // NOT INDEXED: an index may have a collation that is not known here.
  const from = `${quoteName(table)}${virtual ? "" : " NOT INDEXED"}`;
  const sql = `SELECT ${keyOf(column)} FROM ${from} WHERE ${quoteName(column)} NOTNULL`;
  await database.each(sql, [], (row) => {
    const key = row.bytes(0);
    const text = decode(key);
    if (!matching.some((erasure) => isErased(erasure, text))) return;
    rows++;
    keys.set(Buffer.from(key).toString("hex"), key.slice());
  });
  return { keys: [...keys.values()], rows };
}

async function deleteKeys(
  database: ErasingDatabase,
  { table, column }: Target,
  keys: readonly Uint8Array[],
): Promise<void> {
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
    const some = keys.slice(at, at + KEYS_AT_ONCE);
    const places = some.map((_, place) => `?${place + 1}`).join(",");
    const where = `FROM ${quoteName(table)} WHERE ${keyOf(column)} IN (${places})`;
    await database.each(`DELETE ${where}`, some, () => undefined);
    const [left] = await textsOf(database, `SELECT CAST(count(*) AS TEXT) ${where}`, some);
    if (left !== "0") throw failed(`${left} rows of ${table} that are erased are still there.`);
  }
}

/** Return a function that converts a key to UTF-8, the encoding in which keys are hashed. */
async function decoderOf(database: ErasingDatabase): Promise<(bytes: Uint8Array) => Uint8Array> {
  const [encoding = "UTF-8"] = await textsOf(database, "PRAGMA encoding", []);
  if (encoding === "UTF-8") return (bytes) => bytes;
  const decoder = new TextDecoder(encoding, { fatal: false, ignoreBOM: true });
  return (bytes) => new TextEncoder().encode(decoder.decode(bytes));
}

const ASIDE = 'temp."nightjar sets aside"';
const COLUMNS = "type, name, tbl_name, rootpage, sql";

/** Remove the triggers from the schema, and the targets' indexes if these need not stay correct. */
async function setAside(database: ErasingDatabase, targets: readonly Target[]): Promise<void> {
  const tables = [...new Set(targets.map(({ table }) => lowerName(table)))];
  const places = tables.map((_, at) => `?${at + 1}`).join(",");
  const hides = database.onHidden !== undefined;
  const indexes = `type = 'index' AND sql NOTNULL AND tbl_name COLLATE NOCASE IN (${places})`;
  const run = (sql: string, args: readonly string[] = []) =>
    database.each(sql, args, () => undefined);
  await run(
    `CREATE TABLE ${ASIDE} AS SELECT rowid AS place, ${COLUMNS} FROM sqlite_schema WHERE type = 'trigger'${hides ? ` OR (${indexes})` : ""}`,
    hides ? tables : [],
  );
  await run("PRAGMA writable_schema=ON");
  await run(`DELETE FROM sqlite_schema WHERE rowid IN (SELECT place FROM ${ASIDE})`);
  await run("PRAGMA writable_schema=RESET");
}

async function putBack(database: ErasingDatabase): Promise<void> {
  const run = (sql: string, args: readonly string[] = []) =>
    database.each(sql, args, () => undefined);
  await run("PRAGMA writable_schema=ON");
  await run(`INSERT INTO sqlite_schema(rowid, ${COLUMNS}) SELECT place, ${COLUMNS} FROM ${ASIDE}`);
  const hidden: { name: string; table: string; sql: string }[] = [];
  await database.each(
    `SELECT name, tbl_name, sql FROM ${ASIDE} WHERE type = 'index'`,
    [],
    (row) => void hidden.push({ name: row.text(0), table: row.text(1), sql: row.text(2) }),
  );
  for (const { name, table, sql } of hidden) {
    const useless = `CREATE INDEX ${quoteName(name)} ON ${quoteName(table)}(1) WHERE 0`;
    await run("UPDATE sqlite_schema SET sql = ?1 WHERE type = 'index' AND name = ?2", [
      useless,
      name,
    ]);
    database.onHidden?.(name, sql);
  }
  await run("PRAGMA writable_schema=RESET");
  await run(`DROP TABLE ${ASIDE}`);
}

/** Delete the samples of ANALYZE for these tables: they hold values of rows. */
async function forgetSamples(database: ErasingDatabase, tables: readonly string[]): Promise<void> {
  for (const samples of await textsOf(
    database,
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('sqlite_stat3', 'sqlite_stat4')",
    [],
  ))
    for (const table of tables)
      await database.each(
        `DELETE FROM ${samples} WHERE tbl = ?1 COLLATE NOCASE`,
        [table],
        () => undefined,
      );
}
