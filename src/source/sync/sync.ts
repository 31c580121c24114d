import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { PageCursor } from "../../model/manifest.ts";
import type { PageEvent, PageSource } from "../pages.ts";
import type { Source } from "../../libsql/server.ts";
import { changedStart, exportedBase } from "./export.ts";
import { walkHistory } from "./history.ts";
import { currentGeneration, type SyncPlace } from "./protocol.ts";

/** Attempts of one pull at most, each from a new base: it gives up if its history breaks off more often. */
const BASES = 3;

/**
 * Return a source of pages through the sync protocol of Turso Cloud, as its client libraries speak it:
 * `/info`, the export of the current generation, then the frames of its WAL and of the generations that
 * follow. A pull goes on from a cursor only if the server still shows the frame that the cursor ends with,
 * or the same start of its generation if it ends with none. The protocol is known from the clients' source
 * only; this was never run against the real service.
 */
export function syncSource(source: Source, deps: Deps): PageSource {
  return { protocol: "sync", pull: (cursor, why) => pull(source, deps, cursor, why) };
}

async function* pull(
  source: Source,
  deps: Deps,
  cursor: PageCursor | null,
  first: string = "This is the first pull.",
): AsyncIterable<PageEvent> {
  const found = cursor === null ? first : await placeOf(source, deps, cursor);
  let [place, why] = typeof found === "string" ? [null, found] : [found.place, ""];
  let mark = typeof found === "string" ? null : found.mark;

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
        : yield* walkHistory(source, deps, place, mark);
    if (broken === null) break;
    why = broken;
    place = null;
    mark = null;
  }
  if (place?.pageCount === 0)
    throw new NightjarError("PAGES_INVALID", "The database has no pages yet: nothing was written.");
}

/**
 * Return the place that a cursor names in the server's history, and the mark of the frame there, which the
 * server has yet to show; or why the whole database has to be read. A generation and a frame's number do
 * not identify a history: a database that was put back to an earlier state has them too.
 */
async function placeOf(
  source: Source,
  deps: Deps,
  cursor: PageCursor,
): Promise<{ place: SyncPlace; mark: string | null } | string> {
  if (cursor.protocol !== "sync")
    return `The last pull used another protocol (${cursor.protocol}).`;
  const { generation, frame, mark } = cursor;
  const current = await currentGeneration(source, deps);
  if (generation > current)
    return `The server is at generation ${current}, the last pull was at ${generation}.`;
  if (mark === undefined)
    return "Nothing shows that the server's history is the one that was read.";
  const place = { generation, frame, pageCount: null, newest: current };
  if (frame > 0) return { place, mark };
  return (await changedStart(source, deps, generation, mark)) ?? { place, mark: null };
}

/**
 * Return true if the server speaks this protocol; sqld answers 404.
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
