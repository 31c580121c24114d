import { encode } from "../format/bytes/bytes.ts";
import { isRandomRowid, isVectorIndex, withoutRandomRowid } from "../format/sql/libsql-schema.ts";
import { MAY_BE_TURSO_ONLY, type TursoOnly, tursoOnly } from "../format/tables/turso-only.ts";
import type { Engine } from "./engine/engine.ts";
import { allRows } from "./engine/rows.ts";
import { quoteName } from "../format/sql/quote.ts";

interface SchemaRow {
  readonly rowid: bigint;
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly sql: string;
}

/** What was found in a schema. */
interface Patched {
  /** The original text of each rewritten object, by name. */
  readonly originals: ReadonlyMap<string, string>;
  /** The objects that only Turso's engine reads. */
  readonly tursoOnly: readonly TursoOnly[];
}

/**
 * Open the database so that stock SQLite understands a schema that libSQL wrote. There are two things that
 * it does not understand:
 *
 * - `CREATE TABLE … RANDOM ROWID` is a syntax error to it, and then no table can be read.
 * - It takes `CREATE INDEX … (libsql_vector_idx(…))` for an ordinary index, and would answer `count(*)`
 *   from it. But the b-tree of that index is empty, as libSQL keeps the vectors in a table of their own.
 *
 * Such rows of sqlite_schema are rewritten in memory: the option is removed, and the index becomes a
 * partial one that no query can use. A query of sqlite_schema shows the rewritten text.
 *
 * A schema that only Turso's engine reads is left as it is. SQLite then passes over the objects that it
 * cannot parse: only sqlite_schema itself and plain tables may be read.
 */
export async function patchSchema(engine: Engine): Promise<Patched> {
  await engine.open("read");
  // ON makes SQLite continue after a schema row that it cannot parse; RESET parses all of it again.
  await run(engine, "PRAGMA writable_schema=ON");
  const rows = await allRows(
    engine,
    `SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema
     WHERE sql LIKE '%random%rowid%' OR sql LIKE '%libsql_vector_idx%' OR ${MAY_BE_TURSO_ONLY}`,
    (row): SchemaRow => ({
      rowid: BigInt(row.integer(0)),
      type: row.text(1) ?? "",
      name: row.text(2) ?? "",
      table: row.text(3) ?? "",
      sql: row.text(4) ?? "",
    }),
  );
  const foreign = tursoOnly(rows);
  if (foreign.length > 0) return { originals: new Map(), tursoOnly: foreign };
  const patches = rows.flatMap((row) => {
    const sql = patched(row);
    return sql === undefined ? [] : [{ ...row, patched: sql }];
  });
  if (patches.length === 0) {
    await run(engine, "PRAGMA writable_schema=RESET");
    return { originals: new Map(), tursoOnly: [] };
  }
  await engine.close();
  await engine.open("patch");
  await run(engine, "PRAGMA writable_schema=ON");
  await run(engine, "PRAGMA journal_mode=OFF");
  for (const patch of patches)
    await allRows(engine, "UPDATE sqlite_schema SET sql = ?1 WHERE rowid = ?2", () => undefined, [
      { text: encode(patch.patched) },
      patch.rowid,
    ]);
  await engine.close();
  await engine.open("read");
  return { originals: new Map(patches.map(({ name, sql }) => [name, sql])), tursoOnly: [] };
}

/** Return the text that stock SQLite reads instead of the row's; undefined if it understands that one. */
function patched({ type, name, table, sql }: SchemaRow): string | undefined {
  if (type === "index" && isVectorIndex(sql))
    return `CREATE INDEX ${quoteName(name)} ON ${quoteName(table)}(1) WHERE 0`;
  if (type === "table" && isRandomRowid(sql)) return withoutRandomRowid(sql);
  return undefined;
}

async function run(engine: Engine, sql: string): Promise<void> {
  await allRows(engine, sql, () => undefined);
}
