import type { Deps } from "../deps.ts";
import { asNightjarError } from "../errors.ts";
import type { Source } from "../source/server.ts";
import type { SchemaObject } from "../sqlite/tables.ts";
import { rowsOf } from "./ask.ts";
import { MARKER, type Marker, readMarker } from "./marker.ts";
import { send } from "./pipeline.ts";

/** A target as it stands before anything is written to it. */
export interface TargetState {
  /** What somebody made there: not what SQLite and libSQL make by themselves, nor the marker. */
  readonly objects: readonly SchemaObject[];
  /** How many rows its sqlite_schema has. */
  readonly schemaRows: number;
  /** What an unfinished restore has left. */
  readonly marker: Marker | undefined;
  /** What its pages are like, or why they cannot be written. */
  readonly pages: TargetPages | { readonly why: string };
}

export interface TargetPages {
  readonly pageCount: number;
  readonly freePages: number;
  /** The first 100 bytes of the database. */
  readonly header: Uint8Array;
}

/** @throws NightjarError as `send`; `TARGET_REFUSED` when the schema cannot be read */
export async function inspectTarget(target: Source, deps: Deps): Promise<TargetState> {
  const { told } = await send(target, deps, [
    { batch: [{ sql: "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema" }] },
    {
      batch: [
        { sql: "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count" },
        { sql: "SELECT substr(data, 1, 100) FROM sqlite_dbpage WHERE pgno = 1" },
      ],
    },
    { close: true },
  ]);
  const schema = rowsOf(target, told[0]!)[0]!.map(([type, name, table, rootpage, sql]) => ({
    type: String(type) as SchemaObject["type"],
    name: String(name),
    table: String(table),
    rootpage: Number(rootpage),
    sql: sql === null ? null : String(sql),
  }));
  const marked = schema.some(({ type, name }) => type === "table" && name === MARKER);
  return {
    objects: schema.filter(({ name, table }) => !isOwn(name) && !isOwn(table) && name !== MARKER),
    schemaRows: schema.length,
    marker: marked ? await readMarker(target, deps) : undefined,
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

/** Made by SQLite, or by libSQL for its vector indexes and functions. */
function isOwn(name: string): boolean {
  return /^(sqlite|libsql)_/i.test(name);
}
