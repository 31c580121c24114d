import { lstat, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CliError, EXIT } from "../exit.ts";
import { workingFolder } from "../files/folder.ts";

/** Return the whole path of a file that the user names. */
export function target(path: string): string {
  return resolve(workingFolder(process.env), path);
}

/** Refuse, before anything is sent, to write where no plain file can or should be. */
export async function refuseTarget(file: string, replaces: boolean): Promise<void> {
  const folder = await stat(dirname(file)).catch(() => undefined);
  if (folder?.isDirectory() !== true)
    throw new CliError(EXIT.usage, `There is no folder ${dirname(file)}.`);
  const there = await lstat(file).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isFile())
    throw new CliError(EXIT.usage, `${file} is not a plain file, and is left alone.`, {
      hint: 'To pipe a backup, use: curl -fL "$(nightjar url <database>)"',
    });
  if (!replaces)
    throw new CliError(EXIT.usage, `${file} is there already.`, {
      hint: "Name another file with --output, or replace it with --overwrite.",
      code: "FILE_EXISTS",
    });
}

/** A database beside which SQLite keeps a log is open, or was not closed well: the log is of its old bytes. */
export async function refuseOpenDatabase(file: string): Promise<void> {
  for (const suffix of ["-wal", "-journal"]) {
    const beside = await lstat(file + suffix).catch(() => undefined);
    if (beside !== undefined && beside.size > 0)
      throw new CliError(
        EXIT.usage,
        `${file}${suffix} is there: the database is in use, or was not closed.`,
        {
          hint: "Close what uses it (sqlite3 <file> 'PRAGMA wal_checkpoint(TRUNCATE)'), or name another file.",
        },
      );
  }
}
