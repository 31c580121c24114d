import type { Deps } from "../core/deps.ts";
import { asNightjarError, type ErrorCode } from "../errors/errors.ts";
import type { Source } from "../libsql/server.ts";
import type { PageCursor } from "../model/manifest.ts";
import { isReplicaAt } from "./replica/replica.ts";
import { isRevisionAt } from "./updates/updates.ts";

/** Errors of a server that was reached, and does not show what the cursor says. */
const DOUBTS: readonly ErrorCode[] = [
  "PAGES_INVALID",
  "SOURCE_NOT_FOUND",
  "SOURCE_MVCC",
  "SOURCE_ENCRYPTED",
];

/**
 * Ask a server, in one request at most, whether the database is still as it was at `cursor`. False means that
 * it may have changed, or that the server refuses the question or answers what makes no sense.
 * - `replica`: true if a Hello names the same log, the same session of the server's process, and the cursor's
 *   frame as the log's last one. It does not show that frame again, as a pull has it shown. False for a log
 *   without any frame.
 * - `pull-updates`: true if the newest revision is the cursor's, and its marked pages are those that were read.
 *   False, without a request, if the revision is a number, which may come again, and not every page is marked.
 * - `sync`: always false, without a request. `/info` tells the generation and not its last frame, and `/sync`
 *   does not tell whether a generation that gives frames is still the newest.
 * - `dbpage`: always false, without a request. An image has no place in the server's history.
 *
 * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_STALLED`, `SOURCE_CUT`;
 *   `SOURCE_ERROR`, except for a status of 500, with which tursodb answers what it does not know
 */
export async function isUnchanged(
  source: Source,
  deps: Deps,
  cursor: PageCursor,
): Promise<boolean> {
  try {
    switch (cursor.protocol) {
      case "replica":
        return await isReplicaAt(source, deps, cursor);
      case "pull-updates":
        return await isRevisionAt(source, deps, cursor);
      case "sync":
      case "dbpage":
        return false;
    }
  } catch (thrown) {
    const { code, answered } = asNightjarError(thrown);
    if (DOUBTS.includes(code) || answered === 500) return false;
    throw thrown;
  }
}
