import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname } from "node:path";
import { CliError, EXIT } from "../exit.ts";
import { withUnfinished } from "./unfinished.ts";

/** The file system as far as naming files needs it. A crash may come before or after each step. */
export interface Files {
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Copy with mode and times into a file that is not there. */
  copy(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Wait until a file, or the names in a folder, are on the disk. */
  sync(path: string): Promise<void>;
}

/** Node's. */
export const FILES: Files = {
  link: fs.link,
  rename: fs.rename,
  async copy(from, to) {
    await fs.copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const { atime, mtime } = await fs.stat(from);
    await fs.utimes(to, atime, mtime);
  },
  remove: (path) => fs.rm(path, { force: true }),
  exists: async (path) => (await fs.lstat(path).catch(() => undefined)) !== undefined,
  async sync(path) {
    const handle = await fs.open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/**
 * Give what is finished its name. There is never half a file under it; where one is replaced there is
 * always one, the old or the new.
 *
 * @param replaces whether a file of this name is replaced; else one that has come meanwhile is left alone
 * @throws CliError `usage` for a name that is taken
 */
export async function nameFile(
  made: string,
  file: string,
  replaces: boolean,
  files: Files = FILES,
): Promise<void> {
  await files.sync(made);
  if (replaces) await files.rename(made, file);
  else await nameNew(made, file, files);
  if (process.platform !== "win32") await files.sync(dirname(file));
}

async function nameNew(made: string, file: string, files: Files): Promise<void> {
  try {
    await files.link(made, file); // unlike a rename it never replaces
  } catch {
    // Taken, or a file system without hard links.
    if (await files.exists(file))
      throw new CliError(
        EXIT.usage,
        `${file} is there already: it was not when the command began.`,
        {
          hint: "Name another file. What was made is removed.",
          code: "FILE_EXISTS",
        },
      );
    await files.rename(made, file);
    return;
  }
  await files.remove(made);
}

/**
 * Give a file a second name, under which it stays when something else takes the first. The first name
 * is never without a file.
 *
 * @returns the name: `aside`, or where that is taken `aside-2` and so on
 */
export async function setAside(file: string, aside: string, files: Files = FILES): Promise<string> {
  for (let count = 1; ; count++) {
    const name = count === 1 ? aside : `${aside}-${count}`;
    if (await files.exists(name)) continue;
    try {
      await files.link(file, name);
    } catch {
      if (await files.exists(name)) continue;
      // A file system without hard links, or a file of another user's.
      const copy = `${file}.${process.pid}.aside`;
      await withUnfinished([copy], async () => {
        await files.copy(file, copy);
        await files.sync(copy);
        await files.rename(copy, name);
      });
    }
    return name;
  }
}
