import { lowerName, type Selection, selectionOf, selects } from "../../format/tables/selection.ts";
import { CliError, EXIT } from "../exit.ts";
import { readSidecar, SIDECAR, type Sidecar } from "../export/sidecar.ts";

/** A folder of an export, and what of it is imported. */
export interface Exported {
  readonly folder: string;
  /** Only with the tables that are imported. */
  readonly sidecar: Sidecar;
  /** Without a schema if the export has none. */
  readonly selection: Selection;
  readonly notes: readonly string[];
}

/**
 * Read what a folder of an export holds.
 *
 * @param tables the names of the tables that are wanted; undefined for all
 * @throws CliError `usage` for a folder that no export wrote, and for a table whose rows it should have;
 *   as `readSidecar`
 */
export async function openExport(
  folder: string,
  tables: readonly string[] | undefined,
): Promise<Exported> {
  const whole = await readSidecar(folder);
  if (whole === undefined)
    throw new CliError(EXIT.usage, `${folder} is no folder of an export: it has no ${SIDECAR}.`, {
      hint: "`nightjar export <database> -o folder/` writes one.",
    });
  if (whole.rows === "parquet")
    throw new CliError(EXIT.usage, `The rows in ${folder} are Parquet, which is not imported.`, {
      hint: "Export them as ndjson or json: these keep every value with its type.",
    });
  const dataOnly = whole.schema === null;
  const selection = selectionOf({ tables, schemaOnly: false, dataOnly });
  const chosen = ({ name }: { name: string }) => selects(selection, name);
  const sidecar = {
    ...whole,
    tables: whole.tables.filter(chosen),
    leftOut: whole.leftOut.filter(chosen),
  };
  if (dataOnly) {
    const names = new Set(whole.tables.map(({ name }) => lowerName(name)));
    const missing = tables?.filter((name) => !names.has(lowerName(name))) ?? [];
    if (missing.length > 0)
      throw new CliError(EXIT.usage, `The export has no rows of ${missing.join(", ")}.`, {
        hint: `Its tables are listed in ${SIDECAR}.`,
      });
  }
  const notes = whole.tables.length === 0 ? ["the export has a schema and no rows"] : [];
  return { folder, sidecar, selection, notes };
}
