import { tmpdir } from "node:os";
import { mkdtempSync, statSync } from "node:fs";
import { join } from "node:path";
import { systemDeps } from "../../core/deps.ts";
import { TRAITS } from "../../errors/codes.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { readSqlHead } from "../../format/sql/head.ts";
import {
  isRandomRowid,
  isVectorIndex,
  withoutRandomRowid,
} from "../../format/sql/libsql-schema.ts";
import { schemaFault } from "../../format/sql/schema-statement.ts";
import { lowerName, selectionOf, selects } from "../../format/tables/selection.ts";
import type { Source } from "../../libsql/server.ts";
import type { Plan, Verified } from "../../model/restore-report.ts";
import { refuseSql, writeSelected } from "../../sqlite/sql/write-sql.ts";
import { readSchema } from "../../sqlite/tables.ts";
import { compareImage } from "../../target/compare-image.ts";
import { inspectTarget, type TargetState } from "../../target/inspect.ts";
import { sendStatements } from "../../target/send-statements.ts";
import {
  dropsOf,
  notEmpty,
  refuseMarkerName,
  refuseUnfit,
  standingOf,
} from "../../target/standing.ts";
import { newMarker, whileMarked } from "../../target/while-marked.ts";
import { wipeTarget } from "../../target/wipe.ts";
import { CliError, EXIT, type ExitCode } from "../exit.ts";
import { ifStopped, withUnfinished } from "../files/unfinished.ts";
import { size } from "../output.ts";
import { Progress } from "../progress.ts";
import { withImageOf } from "../sqlite/image-of-file.ts";
import { makeFile } from "./make-file.ts";
import { type Exported, openExport } from "./open-export.ts";

/** What an import into a server does, or has done. */
export interface ServerImport {
  readonly database: string;
  readonly asOf: string;
  readonly target: { readonly url: string; readonly namespace: string | null };
  /** The state of the target before. */
  readonly state: Plan["target"]["state"];
  readonly only: "data" | null;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** What is dropped or emptied first: what an unfinished import has left. */
  readonly drops: readonly string[];
  readonly notes: readonly string[];
  /** What was compared afterwards; null for a dry run. */
  readonly verified: Verified | null;
}

interface Options {
  readonly tables: readonly string[] | undefined;
  /** Change nothing. */
  readonly dryRun: boolean;
  readonly quiet: boolean;
}

/** Hint for a target whose import may be incomplete. */
const INCOMPLETE =
  "A target that is not complete has the table _nightjar_restore. Run the same import again: it wipes such a target and starts anew.";

/**
 * Import a folder of an export into a libSQL server: into an empty database, or, if the export has no
 * schema, into empty tables that are there. A file is made of it first, and checked as any import is. The
 * target is marked incomplete from before the first byte until its rows have been counted and hashed.
 *
 * @throws CliError `refused` if the target was left as it is, `failed` if it may be incomplete; as
 *   `openExport` and `makeFile`
 */
export async function importIntoServer(
  folder: string,
  target: Source,
  { tables, dryRun, quiet }: Options,
): Promise<ServerImport> {
  const exported = await openExport(folder, tables);
  const before = await asCliError(EXIT.refused, () => inspectFor(exported, target));
  const scratch = mkdtempSync(join(tmpdir(), "nightjar-import-"));
  return withUnfinished([scratch], async () => {
    const file = join(scratch, "import.db");
    const schema = exported.selection.schema ? "exported" : tablesOf(exported, before);
    const { notes, leftOut } = await makeFile(exported, schema, file, quiet);
    if (statSync(file).size === 0)
      throw new CliError(EXIT.usage, `The export in ${folder} is of an empty database.`, {
        hint: "There is nothing to import.",
      });
    const writing = new Writing(exported, file, leftOut);
    const state = await asCliError(EXIT.refused, async () => {
      await writing.refuse();
      // Making the file may have taken long.
      return inspectFor(exported, target);
    });
    const verified = dryRun
      ? null
      : await ifStopped(`This stops the import. ${INCOMPLETE}`, () =>
          asCliError(EXIT.failed, () => writing.write(target, state, quiet)),
        );
    return {
      ...{ database: exported.sidecar.database, asOf: exported.sidecar.asOf },
      target: { url: target.url, namespace: target.namespace ?? null },
      ...{ state: standingOf(state), only: exported.selection.schema ? null : "data" },
      tables: exported.sidecar.tables.map(({ name, rows }) => ({ name, rows })),
      drops: state.begun === undefined ? [] : dropsOf(state),
      ...{ notes: [...exported.notes, ...notes], verified },
    };
  });
}

/**
 * Inspect a target, and refuse one that the export may not be written to.
 *
 * @throws NightjarError `TARGET_NOT_EMPTY`, `TARGET_UNFIT`; as `inspectTarget`
 */
async function inspectFor({ sidecar, selection }: Exported, target: Source): Promise<TargetState> {
  const state = await inspectTarget(target, systemDeps);
  if (!selection.schema)
    await refuseUnfit(
      target,
      systemDeps,
      state,
      sidecar.tables.map(({ name }) => name),
    );
  else if (standingOf(state) === "in use") throw notEmpty(state);
  return state;
}

/**
 * Return the statements that make the target's own tables, for the rows of an export that has no schema.
 *
 * @throws CliError `refused` for a table whose text is not one statement
 */
function tablesOf({ sidecar, selection }: Exported, { objects }: TargetState): string[] {
  const names = new Set(sidecar.tables.map(({ name }) => lowerName(name)));
  return objects
    .filter(({ type, name }) => type === "table" && names.has(lowerName(name)))
    .filter(({ name }) => selects(selection, name))
    .map(({ name, sql }) => {
      const fault = schemaFault("table", sql ?? "");
      if (fault === undefined) return isRandomRowid(sql!) ? withoutRandomRowid(sql!) : sql!;
      throw new CliError(
        EXIT.refused,
        `The target's table ${name} is not one CREATE statement: ${fault}.`,
        { code: "TARGET_UNFIT", hint: TRAITS.TARGET_UNFIT.hint },
      );
    });
}

/** Writes the file that was made of an export to a server. */
class Writing {
  readonly #exported: Exported;
  readonly #file: string;
  /** Indexes that only libSQL can make, as SQL. */
  readonly #indexes: readonly string[];
  /** Tables that the file has without what only libSQL can do, as SQL. */
  readonly #originals: ReadonlyMap<string, string>;

  /** @param leftOut statements that the file was made without */
  constructor(exported: Exported, file: string, leftOut: readonly string[]) {
    // Rows of all tables are the rows of these: the target may have more tables.
    const { sidecar } = exported;
    const tables = sidecar.tables.map(({ name }) => name);
    const rows = selectionOf({ tables, schemaOnly: false, dataOnly: true });
    this.#exported = exported.selection.schema
      ? { ...exported, selection: selectionOf({ schemaOnly: false, dataOnly: false }) }
      : { ...exported, selection: rows };
    this.#file = file;
    const of = (type: "index" | "table") =>
      leftOut
        .map((sql) => ({ sql, ...readSqlHead(encode(sql)) }))
        .filter(({ does }) => does === `create-${type}`);
    this.#indexes = of("index").map(({ sql }) => sql);
    this.#originals = new Map(of("table").map(({ name, sql }) => [name, sql]));
  }

  /**
   * Refuse what cannot be written as SQL.
   *
   * @throws NightjarError `SCHEMA_UNSAFE`; as `refuseMarkerName` and `refuseSql`
   */
  async refuse(): Promise<void> {
    for (const sql of this.#indexes)
      if (schemaFault("index", sql) !== undefined || !isVectorIndex(sql))
        throw new NightjarError(
          "SCHEMA_UNSAFE",
          "The schema of the export has a comment that is to make an index on libSQL, and is another statement.",
          { hint: "Get the folder back as it was exported." },
        );
    await this.#withImage(async (image) => {
      refuseMarkerName(await readSchema(image));
      await refuseSql(image, this.#exported.selection);
    });
  }

  /** Write all of it, and compare. @throws NightjarError as `whileMarked` */
  write(target: Source, state: TargetState, quiet: boolean): Promise<Verified | null> {
    const { sidecar, selection } = this.#exported;
    const progress = new Progress(quiet);
    const show = async (text: string) => progress.show(text);
    const marker = newMarker(systemDeps, state, {
      what: `the export of ${sidecar.database} as of ${sidecar.asOf}`,
      began: new Date(systemDeps.now()).toISOString(),
      tables: selection.schema ? null : sidecar.tables.map(({ name }) => name),
      saved: state.marker?.saved ?? null,
    });
    return whileMarked(target, systemDeps, state, marker, async (steps) => {
      try {
        const { tables } = marker;
        await wipeTarget(steps, state, { tables, overwrites: false }, (objects) =>
          show(`wiping the target: ${objects}`),
        );
        // An image for each: SQLite works on one for a limited time.
        await this.#withImage((image) =>
          sendStatements(steps, writeSelected(image, "libsql", selection), (bytes) =>
            show(`writing ${size(bytes)} of SQL`),
          ),
        );
        const verified = await this.#withImage((image) =>
          compareImage(
            target,
            systemDeps,
            image,
            { selection, way: "statements", rows: true },
            (table, rows) => show(`comparing ${table}: ${rows} rows`),
          ),
        );
        // The file does not have these, so they come after it was compared.
        for (const index of this.#indexes) await steps.write([encode(`${index}\n;\n`)]);
        await steps.finish();
        return verified;
      } finally {
        progress.end();
      }
    });
  }

  #withImage<T>(use: Parameters<typeof withImageOf<T>>[2]): Promise<T> {
    return withImageOf(this.#file, this.#originals, use);
  }
}

/** Hints that speak of an import. */
const HINTS: Partial<Record<string, string>> = {
  TARGET_NOT_EMPTY:
    "Import into an empty database, or into empty tables an export without a schema (--data-only).",
  TARGET_UNREACHABLE: "Check the target's address and that its server is up.",
  RESTORE_INCOMPLETE: INCOMPLETE,
};

/** Run `action`. Its errors become those of a command, with this exit code. */
async function asCliError<T>(exit: ExitCode, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const { code, message, hint } = asNightjarError(thrown);
    const own = hint === TRAITS[code].hint ? HINTS[code] : undefined;
    throw new CliError(exit, message, { code, hint: own ?? hint });
  }
}
