import * as v from "valibot";
import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { Source } from "../../libsql/server.ts";
import { getFrom } from "./request.ts";
import { refusalOf } from "../../libsql/refuse.ts";

/** Bytes: the protocol's frames carry pages of this size and no other. */
export const PAGE_SIZE = 4096;

/**
 * The position of a pull in the server's history. A generation is the time between two checkpoints: a
 * database file, which is its start, and a WAL whose frames are numbered from 1.
 */
export interface SyncPlace {
  generation: number;
  /** The last frame that ended a transaction; 0 for the generation's start. */
  frame: number;
  /** Pages of the database there; null if only a cursor is known. */
  pageCount: number | null;
  /** The server's generation when the pull began. The pull must reach it. */
  readonly newest: number;
}

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Info = v.object({ current_generation: v.pipe(Count, v.minValue(1)) });
const HistoryEnd = v.object({
  status: v.literal("checkpoint_needed"),
  generation: v.pipe(Count, v.minValue(1)),
  max_frame_no: Count,
});

/**
 * Return the generation that the server writes to (`GET /info`). Generations count from 1.
 *
 * @throws NightjarError `PAGES_INVALID` for an answer that says something else; as `refusalOf` for another
 *   status, and as `getFrom`
 */
export async function currentGeneration(source: Source, deps: Deps): Promise<number> {
  const path = "/info";
  const answer = await getFrom(source, deps, path);
  try {
    const text = await answer.text();
    if (answer.status < 200 || answer.status > 299)
      throw refusalOf(source, `GET ${path}`, answer.status, text);
    const info = v.safeParse(Info, parsed(text));
    if (info.success) return info.output.current_generation;
    throw new NightjarError("PAGES_INVALID", "GET /info told no generation.");
  } finally {
    answer.end();
  }
}

/** The server's answer if it has no frames to give. */
export interface HistoryEnd {
  /** Its current generation. */
  readonly generation: number;
  /** The last frame of the generation that was asked for. */
  readonly maxFrame: number;
}

/** Read the body of a refused request for frames; return null if it reports no end of history. */
export function historyEnd(text: string): HistoryEnd | null {
  const end = v.safeParse(HistoryEnd, parsed(text));
  return end.success
    ? { generation: end.output.generation, maxFrame: end.output.max_frame_no }
    : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
