import type { Deps } from "../core/deps.ts";
import type { Source } from "../libsql/server.ts";
import type { PageCursor } from "../model/manifest.ts";
/** Placeholder. */
export async function isUnchanged(_s: Source, _d: Deps, _c: PageCursor): Promise<boolean> {
  return false;
}
