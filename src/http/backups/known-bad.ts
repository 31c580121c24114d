import type { Backup } from "../../catalog/backups.ts";
import { knownBad } from "../../model/proof.ts";

/** Say in an answer that the backup it gives is known to be bad, such as `drill failed`. */
export function setKnownBad(headers: Headers, backup: Backup): void {
  const bad = knownBad(backup);
  if (bad !== null) headers.set("x-nightjar-known-bad", `${bad.act} ${bad.outcome}`);
}
