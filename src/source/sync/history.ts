import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";
import { FRAME_HEADER, WalChain, walFrames } from "../../format/wal/wal.ts";
import { WalTransaction } from "../../format/wal/transaction.ts";
import type { PageEvent } from "../pages.ts";
import type { Source } from "../../libsql/server.ts";
import {
  currentGeneration,
  type HistoryEnd,
  historyEnd,
  PAGE_SIZE,
  type SyncPlace,
} from "./protocol.ts";
import { getFrom } from "./request.ts";
import { refusalOf } from "../../libsql/refuse.ts";

/** Frames of one request, as many as the vendor's clients ask for. */
const BATCH = 128;

/**
 * Yield the transactions after `place`, which moves along, up to the end of the server's history. Return
 * why there is no way on from `place`, or null.
 *
 * @param mark the expected mark of the frame at `place`, if an earlier pull read it; null if it was read
 *   just now
 * @throws NightjarError as PageSource's `pull`
 */
export async function* walkHistory(
  source: Source,
  deps: Deps,
  place: SyncPlace,
  mark: string | null,
): AsyncGenerator<PageEvent, string | null> {
  let buffer = new ArrayBuffer((BATCH + 1) * (FRAME_HEADER + PAGE_SIZE)); // one more, to notice too many
  let unconfirmed = mark;
  let next = unconfirmed === null ? place.frame + 1 : place.frame;
  let chain = new WalChain();
  const transaction = new WalTransaction(PAGE_SIZE);
  for (;;) {
    const got = await frames(source, deps, place.generation, next, buffer);
    if (got === null) return `The server no longer has generation ${place.generation}.`;
    if (!(got instanceof Uint8Array)) {
      if (unconfirmed !== null) return unshown(place, got);
      const step = onward(place, next, got);
      if (step !== "next generation") return step;
      // Its start is the state after the last frame of the old one.
      place.generation += 1;
      place.frame = 0;
      next = 1;
      chain = new WalChain();
      continue;
    }

    const batch = walFrames(got, PAGE_SIZE);
    if (batch.length === 0 || batch.length > BATCH)
      throw new NightjarError(
        "PAGES_INVALID",
        batch.length === 0
          ? "The server sent frames without any frame."
          : `The server was asked for ${BATCH} frames and sent more.`,
      );
    chain.follow(batch);
    let pages: Page[] = [];
    for (const frame of batch) {
      if (unconfirmed !== null) {
        if (fingerprint(frame.bytes) !== unconfirmed)
          return `The server's frame ${next} of generation ${place.generation} is not the one that was read.`;
        unconfirmed = null;
        place.pageCount = frame.sizeAfter;
        next += 1;
        continue;
      }
      transaction.add(frame, place.pageCount);
      pages.push({ pgno: frame.pgno, data: frame.data });
      if (frame.sizeAfter > 0) {
        transaction.end(frame.sizeAfter, place.pageCount);
        place.pageCount = frame.sizeAfter;
        place.frame = next;
        yield { kind: "pages", pages };
        yield {
          kind: "commit",
          pageCount: frame.sizeAfter,
          at: null,
          commits: 1,
          cursor: {
            protocol: "sync",
            generation: place.generation,
            frame: next,
            mark: fingerprint(frame.bytes),
          },
        };
        pages = [];
      }
      next += 1;
    }
    if (pages.length > 0) yield { kind: "pages", pages };
    // An older generation ends like this too, but the history continues after it.
    if (batch.length < BATCH && place.generation >= place.newest) return null;
    buffer = got.buffer;
  }
}

/**
 * Ask for up to a batch of frames from `next` on, in `buffer`'s memory. Return the end of history if there
 * are none; null if the server no longer knows an old generation.
 */
async function frames(
  source: Source,
  deps: Deps,
  generation: number,
  next: number,
  buffer: ArrayBuffer,
): Promise<Uint8Array<ArrayBuffer> | HistoryEnd | null> {
  const path = `/sync/${generation}/${next}/${next + BATCH}`;
  const answer = await getFrom(source, deps, path);
  try {
    if (answer.status === 200) return await answer.read(buffer);
    const text = await answer.text();
    const end = historyEnd(text);
    if (end !== null && answer.status === 400) return end;
    // The server is known to answer so if nothing was ever written; otherwise it is an error.
    const empty = end?.generation === generation && end.maxFrame === 0 && next === 1;
    if (end !== null && answer.status === 500 && empty) return end;
    const refused = refusalOf(source, `GET ${path}`, answer.status, text);
    if (refused.code !== "SOURCE_NOT_FOUND") throw refused;
    if ((await currentGeneration(source, deps)) === generation) throw refused;
    return null;
  } finally {
    answer.end();
  }
}

/** Return why there is no way on if the server does not show the frame at `place`. */
function unshown({ generation, frame }: SyncPlace, end: HistoryEnd): string {
  const ours = `generation ${generation}, frame ${frame}`;
  if (end.generation < generation)
    return `The server went back to generation ${end.generation} from ${ours}.`;
  if (end.generation === generation && end.maxFrame < frame)
    return `The server went back to frame ${end.maxFrame} from ${ours}.`;
  return `The server no longer has the frame at ${ours}: nothing shows that its history is the one that was read.`;
}

/**
 * Decide how to continue if the server has no frame `next`: return "next generation", null at the end of
 * history, or why there is no way on from `place`.
 */
function onward(place: SyncPlace, next: number, end: HistoryEnd): string | null {
  const { generation, frame } = place;
  const ours = `generation ${generation}, frame ${frame}`;
  if (end.generation < generation)
    return `The server went back to generation ${end.generation} from ${ours}.`;
  if (end.generation === generation) {
    if (end.maxFrame < frame) return `The server went back to frame ${end.maxFrame} from ${ours}.`;
    return end.maxFrame < next ? null : `The server no longer has the frames after ${ours}.`;
  }
  // The next generation's start lacks the pages of a transaction that did not end, and those that were read
  // cannot be taken back.
  const complete = end.maxFrame === frame && next === frame + 1;
  if (complete) return "next generation";
  return `The server checkpointed at frame ${end.maxFrame}; what was read ends at ${ours}.`;
}
