import type { Deps } from "../core/deps.ts";
import { asNightjarError } from "../errors/errors.ts";
import { isOwnTable } from "../format/sql/own-tables.ts";
import { isMarkerName } from "../format/tables/restore-marker.ts";
import type { Source } from "../libsql/server.ts";
import type { SchemaObject } from "../sqlite/tables.ts";
import { rowsOf } from "./run-statements.ts";
import { type Marker, markerFrom, READ_MARKER, SCHEMA_PRINT } from "./marker.ts";
import { send } from "./pipeline.ts";

/** A target's state before anything is written to it. */
export interface TargetState {
  /** Objects that users made there: not those that SQLite and libSQL make by themselves, nor the marker. */
  readonly objects: readonly SchemaObject[];
  /** The value of `SCHEMA_PRINT`. */
  readonly print: string;
  /** The marker that an unfinished restore has left. */
  readonly marker: Marker | undefined;
  /** The same, if that restore has done more than mark the target. */
  readonly begun: Marker | undefined;
  /** The facts about its pages, or why they cannot be written. */
  readonly pages: TargetPages | { readonly why: string };
}

export interface TargetPages {
  readonly pageCount: number;
  readonly freePages: number;
  /** The first 100 bytes of the database. */
  readonly header: Uint8Array;
}

/**
 * Inspect a target in one read transaction, so that schema, marker and pages are of the same moment.
 *
 * @throws NightjarError as `send`; `TARGET_REFUSED` when the schema cannot be read; `TARGET_NOT_EMPTY` when
 *   something else has the marker's name
 */
export async function inspectTarget(target: Source, deps: Deps): Promise<TargetState> {
  const { told } = await send(target, deps, [
    {
      batch: [
        { sql: "BEGIN" },
        { sql: "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema" },
        { sql: `SELECT ${SCHEMA_PRINT}` },
      ],
    },
    {
      batch: [
        { sql: "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count" },
        { sql: "SELECT substr(data, 1, 100) FROM sqlite_dbpage WHERE pgno = 1" },
      ],
    },
    { batch: [READ_MARKER] },
    { batch: [{ sql: "ROLLBACK" }] },
    { close: true },
  ]);
  const [, rows, print] = rowsOf(target, told[0]!);
  const schema = rows!.map(([type, name, table, rootpage, sql]) => ({
    type: String(type) as SchemaObject["type"],
    name: String(name),
    table: String(table),
    rootpage: Number(rootpage),
    sql: sql === null ? null : String(sql),
  }));
  const marker = schema.some(({ name }) => isMarkerName(name)) ? markerFrom(told[2]!) : undefined;
  return {
    objects: schema.filter(
      ({ type, table, sql }) =>
        !isOwnTable(table) && !isMarkerName(table) && (type !== "index" || sql !== null),
    ),
    print: String(print![0]![0]),
    marker,
    begun: marker?.step === 0 ? undefined : marker,
    pages: pagesOf(told[1]!),
  };

  function pagesOf(answer: (typeof told)[number]): TargetState["pages"] {
    try {
      const [counts, first] = rowsOf(target, answer);
      const header = first![0]?.[0];
      if (!(header instanceof Uint8Array) || header.length < 100)
        return { why: "the target has no first page yet" };
      const [pageCount, freePages] = counts![0]!.map(Number);
      return { pageCount: pageCount!, freePages: freePages!, header };
    } catch (thrown) {
      return { why: `the target does not offer its pages (${asNightjarError(thrown).message})` };
    }
  }
}
