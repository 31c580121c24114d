import { lstat } from "node:fs/promises";
import { CliError, EXIT } from "../exit.ts";
import type { Sidecar } from "../export/sidecar.ts";
import { finishFile } from "../files/finish-file.ts";
import { withUnfinished } from "../files/unfinished.ts";
import { refuseOpenDatabase, refuseTarget } from "../restore/target.ts";
import { makeFile } from "./make-file.ts";
import { openExport } from "./open-export.ts";

/** A database that was made of an export. */
export interface Imported {
  readonly sidecar: Sidecar;
  readonly bytes: number;
  readonly rows: number;
  readonly words: string;
  readonly notes: readonly string[];
}

interface Options {
  /** Only these tables. */
  readonly tables?: readonly string[] | undefined;
  readonly overwrite: boolean;
  readonly quiet: boolean;
}

/**
 * Make a new database file of a folder of an export, as `makeFile` does; only then has the file its name.
 *
 * @throws CliError
 */
export async function importFolder(
  folder: string,
  file: string,
  { tables, overwrite, quiet }: Options,
): Promise<Imported> {
  await refuseTarget(file, overwrite);
  await refuseOpenDatabase(file);
  const exported = await openExport(folder, tables);
  const { sidecar } = exported;
  if (sidecar.schema === null)
    throw new CliError(EXIT.usage, `The export in ${folder} has no schema to make a database of.`, {
      hint: "Export again without --data-only, or import it into a server that has its tables: --to libsql://…",
    });
  const made = `${file}.${process.pid}.restoring`;
  const beside = ["-wal", "-journal", "-shm"].map((suffix) => made + suffix);
  return withUnfinished([made, ...beside], async () => {
    const { words, notes, leftOut } = await makeFile(exported, "exported", made, quiet);
    await finishFile(made, file, { replaces: overwrite });
    const { size: bytes } = await lstat(file);
    const rows = sidecar.tables.reduce((sum, table) => sum + table.rows, 0);
    const left = leftOut.map((sql) => `needs libSQL, and is left out: ${sql}`);
    return { sidecar, bytes, rows, words, notes: [...exported.notes, ...left, ...notes] };
  });
}
