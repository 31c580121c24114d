import type { Deps } from "../deps.ts";
import { NightjarError } from "../errors.ts";
import type { PageCursor } from "../manifest.ts";
import type { PageEvent, PageSource } from "./pages.ts";
import type { Source } from "./server.ts";
import { exportedBase } from "./sync-export.ts";
import { walkHistory } from "./sync-history.ts";
import { currentGeneration, type SyncPlace } from "./sync-protocol.ts";

/** A pull whose history breaks off more often than this gives up. */
const BASES = 3;

/**
 * Pages through the sync protocol of Turso Cloud, as its client libraries speak it: `/info`, the export
 * of the current generation, then the frames of its WAL and of the generations that follow. Known from
 * the clients' source only; the real service has not been met.
 */
export function syncSource(source: Source, deps: Deps): PageSource {
  return { protocol: "sync", pull: (cursor) => pull(source, deps, cursor) };
}

async function* pull(
  source: Source,
  deps: Deps,
  cursor: PageCursor | null,
): AsyncIterable<PageEvent> {
  let place: SyncPlace | null = null;
  let why = "This is the first pull.";
  if (cursor !== null && cursor.protocol !== "sync")
    why = `The last pull used another protocol (${cursor.protocol}).`;
  else if (cursor !== null) {
    const { generation, frame } = cursor;
    const current = await currentGeneration(source, deps);
    if (generation <= current) place = { generation, frame, pageCount: null, newest: current };
    else why = `The server is at generation ${current}, the last pull was at ${generation}.`;
  }

  for (let bases = 0; ;) {
    if (place === null) {
      bases += 1;
      if (bases > BASES)
        throw new NightjarError("PAGES_INVALID", `No whole history in ${BASES} attempts: ${why}`);
      place = yield* exportedBase(source, deps, why);
    }
    const broken: string | null =
      place === null
        ? "The server checkpointed before its export could be read."
        : yield* walkHistory(source, deps, place);
    if (broken === null) break;
    why = broken;
    place = null;
  }
  if (place?.pageCount === 0)
    throw new NightjarError("PAGES_INVALID", "The database has no pages yet: nothing was written.");
}

/**
 * Whether the server speaks this protocol; sqld answers 404.
 *
 * @throws NightjarError `SOURCE_UNAUTHORIZED`, `SOURCE_UNREACHABLE`, `SOURCE_STALLED`, `SOURCE_CUT`;
 * `SOURCE_ERROR`, which leaves the question open
 */
export async function probeSync(source: Source, deps: Deps): Promise<boolean> {
  try {
    await currentGeneration(source, deps);
    return true;
  } catch (thrown) {
    const refusals = ["SOURCE_NOT_FOUND", "PAGES_INVALID"];
    if (thrown instanceof NightjarError && refusals.includes(thrown.code)) return false;
    throw thrown;
  }
}
