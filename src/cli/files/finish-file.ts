import { lstat } from "node:fs/promises";
import { CliError, EXIT } from "../exit.ts";
import { nameFile, setAside } from "./name-file.ts";
import { refuseOpenDatabase } from "../restore/target.ts";

/** Marks of a file by which a later write is noticed. */
export type Seen = readonly string[];

/** Read the marks of a file and of the log beside it. */
export function seen(file: string): Promise<Seen> {
  return Promise.all(
    [file, `${file}-wal`].map(async (path) => {
      const found = await lstat(path, { bigint: true }).catch(() => undefined);
      return found === undefined ? "gone" : [found.ino, found.size, found.mtimeNs].join(" ");
    }),
  );
}

interface Replacing {
  /** True if a file of this name is replaced. */
  readonly replaces: boolean;
  /** The name under which what is replaced is kept. */
  readonly aside?: string | null;
  /** Marks of the file when the new one was made from it. */
  readonly before?: Seen | undefined;
}

/**
 * Give what is finished its name. Making it took a while, so the file at the path is checked again first, as
 * somebody may have opened it, or written to it.
 *
 * @returns the name of what was kept
 * @throws CliError where nothing was changed
 */
export async function finishFile(
  made: string,
  file: string,
  { replaces, aside = null, before }: Replacing,
): Promise<string | null> {
  await refuseOpenDatabase(file);
  if (before !== undefined && (await seen(file)).join() !== before.join())
    throw new CliError(
      EXIT.refused,
      `Somebody wrote to ${file} meanwhile, and it was left as it is: nothing was changed.`,
      { hint: "Stop what writes to it, and run the command again." },
    );
  const kept = aside === null ? null : await setAside(file, aside);
  await nameFile(made, file, replaces);
  return kept;
}
