import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { paint, printAside, size } from "../output.ts";
import { SIDECAR } from "./sidecar.ts";

/** Bytes of an export that a repository keeps for ever without much thought. */
const SMALL = 1_000_000;

/** Warn where an export that is not small lies in a repository of git that does not ignore it. */
export function warnOfGit(folder: string, bytes: number): void {
  if (bytes <= SMALL || !isTracked(folder)) return;
  printAside(
    paint("yellow", "warning"),
    `: the export has ${size(bytes)}, and git does not ignore it: every version stays in the repository for ever. To ignore it: echo '${basename(folder)}/' >> .gitignore`,
  );
}

/** Return true if git would take the folder's files. */
function isTracked(folder: string): boolean {
  const git = spawnSync(
    "git",
    ["-c", "core.fsmonitor=false", "-C", folder, "check-ignore", "-q", SIDECAR],
    { stdio: "ignore" },
  );
  return git.status === 1; // 0: ignored; 128: no repository
}
