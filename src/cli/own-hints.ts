import { TRAITS } from "../errors/codes.ts";
import type { ErrorCode } from "../errors/errors.ts";

/** Hints for those who use the command line, in place of Nightjar's own, which speak of HTTP. */
const OWN: Partial<Record<ErrorCode, string>> = {
  UNAUTHORIZED: "Sign in with: nightjar login <url>. Tokens are made by: nightjar token create",
  REQUEST_INVALID: "Correct what the message names; --help tells what a command takes.",
  DATABASE_NOT_FOUND: "nightjar status lists the databases.",
  BACKUP_NOT_FOUND: "nightjar list <database> lists the backups.",
  BACKUP_KNOWN_BAD: "Name another backup with --backup: nightjar list <database> lists them.",
  RUN_NOT_FOUND: "nightjar runs lists the runs.",
  PIN_NOT_FOUND: "nightjar list <database> marks those that are pinned.",
  MOMENT_UNAVAILABLE: "nightjar timeline <database> tells which moments can be asked for.",
  ROWS_TOO_MANY: "Choose fewer rows with --where, and restore them part by part.",
  ROWS_REFUSED: "Change in the target what the message names, or choose other rows with --where.",
  PARENTS_MISSING: "Add --with-parents: it restores the missing rows too, from the same state.",
  TARGET_CHANGED: "Nothing was written. Run it again: it shows what would change now.",
  RESTORE_UNAVAILABLE: "Restore what the backup holds: nightjar diff and nightjar query show it.",
};

/** Return the hint of an error that Nightjar has sent: one of its own, unless it says more than its code. */
export function hintFor(code: string, sent: string): string {
  const known = code as ErrorCode;
  if (!Object.hasOwn(OWN, code) || TRAITS[known].hint !== sent) return sent;
  return OWN[known]!;
}
