import { chmodSync, constants, copyFileSync, openSync, rmSync } from "node:fs";

/** Files, and folders of them, that are being made, and have no name yet that anybody asked for. */
const files = new Set<string>();
/** Hints about work elsewhere that a signal would leave unfinished, the newest last. */
const elsewhere: string[] = [];

/** Run `action`, which makes these files or folders: whatever is left of them is removed when it ends, by a signal too. */
export async function withUnfinished<T>(
  paths: readonly string[],
  action: () => Promise<T>,
): Promise<T> {
  for (const path of paths) files.add(path);
  try {
    return await action();
  } finally {
    for (const path of paths) {
      rmSync(path, { force: true, recursive: true });
      files.delete(path);
    }
  }
}

/** Run `action`; a signal that comes meanwhile tells the user `hint`. */
export async function ifStopped<T>(hint: string, action: () => Promise<T>): Promise<T> {
  elsewhere.push(hint);
  try {
    return await action();
  } finally {
    elsewhere.pop();
  }
}

/** Hint of commands that Nightjar carries out, and that can be repeated after they broke off. */
export const GOES_ON =
  "What Nightjar had begun may be done or not. Run the command again: it goes on from there.";

/**
 * Remove every file that is unfinished, for a process that is about to end.
 *
 * @returns what the user should know
 */
export function removeUnfinished(): string {
  for (const path of files) rmSync(path, { force: true, recursive: true });
  const gone = files.size > 0 ? ["What was unfinished on this machine is removed."] : [];
  return [...gone, elsewhere.at(-1) ?? "Run the command again: it starts anew."].join(" ");
}

/**
 * Create a file that only its user can read, and that was not there.
 *
 * @returns its descriptor. It is made at once, so that a signal never comes between its name and its creation
 */
export function createPrivate(path: string): number {
  return openSync(path, "wx", 0o600);
}

/** Copy a file to where none was, for its user alone. */
export function copyPrivate(from: string, to: string): void {
  copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  chmodSync(to, 0o600);
}
