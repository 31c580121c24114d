import { lstat, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CliError, EXIT } from "./exit.ts";

/** `npm run` works in the project's folder; the user stood elsewhere. */
export function target(path: string): string {
  return resolve(process.env["INIT_CWD"] ?? ".", path);
}

/** Refuse, before anything is sent, to write where no plain file can or should be. */
export async function refuseTarget(file: string, force: boolean): Promise<void> {
  const folder = await stat(dirname(file)).catch(() => undefined);
  if (folder?.isDirectory() !== true)
    throw new CliError(EXIT.usage, `There is no folder ${dirname(file)}.`);
  const there = await lstat(file).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isFile())
    throw new CliError(EXIT.usage, `${file} is not a plain file, and is left alone.`, {
      hint: 'To pipe a backup, use: curl -fL "$(nightjar url <database>)"',
    });
  if (!force)
    throw new CliError(EXIT.usage, `${file} is there already.`, {
      hint: "Name another file with --output, or replace it with --force.",
    });
}
