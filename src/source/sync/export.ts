import type { Deps } from "../../core/deps.ts";
import { NightjarError } from "../../errors/errors.ts";
import { readDatabaseHeader } from "../../format/pages/database-header.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import { lockPage, type Page } from "../../format/pages/page.ts";
import type { PageEvent } from "../pages.ts";
import type { Source } from "../../libsql/server.ts";
import { currentGeneration, PAGE_SIZE, type SyncPlace } from "./protocol.ts";
import { type Answer, getFrom, refusal } from "./request.ts";

/** Pages of the file that are read at once. */
const PIECE = 64;
/** Pages at the start of the file by which it is recognized. */
const MARKED = 16;

/**
 * Yield the database as it was at the start of the server's current generation, and return its place: a
 * generation's first frame follows its export. Return null if there was nothing to get because the server
 * checkpointed meanwhile.
 *
 * @throws NightjarError as PageSource's `pull`
 */
export async function* exportedBase(
  source: Source,
  deps: Deps,
  why: string,
): AsyncGenerator<PageEvent, SyncPlace | null> {
  const generation = await currentGeneration(source, deps);
  const path = `/export/${generation}`;
  const answer = await getFrom(source, deps, path);
  try {
    if (answer.status !== 200) {
      const refused = await refusal(source, path, answer);
      if (refused.code === "SOURCE_UNAUTHORIZED") throw refused;
      if ((await currentGeneration(source, deps)) === generation) throw refused;
      return null;
    }
    const { pageCount, mark } = yield* readFile(answer, why);
    if (pageCount > 0)
      yield {
        kind: "commit",
        pageCount,
        at: null,
        commits: 1,
        cursor: { protocol: "sync", generation, frame: 0, mark },
      };
    return { generation, frame: 0, pageCount, newest: generation };
  } finally {
    answer.end();
  }
}

/**
 * Compare the start of a generation with the one that was read: its first pages and its length.
 *
 * @returns why it is not, or cannot be shown to be, the same; null if it is
 * @throws NightjarError as PageSource's `pull`
 */
export async function changedStart(
  source: Source,
  deps: Deps,
  generation: number,
  mark: string,
): Promise<string | null> {
  const path = `/export/${generation}`;
  const answer = await getFrom(source, deps, path);
  try {
    if (answer.status !== 200) {
      const refused = await refusal(source, path, answer);
      if (refused.code !== "SOURCE_NOT_FOUND") throw refused;
      return `The server no longer has the start of generation ${generation}.`;
    }
    const start = await answer.read(new ArrayBuffer(MARKED * PAGE_SIZE));
    return start.length > 0 && markOf(start, answer) === mark
      ? null
      : `The start of generation ${generation} is not the one that was read.`;
  } finally {
    answer.end();
  }
}

/** Return the mark by which a file is recognized: its length in pages, and the hash of its first ones. */
function markOf(start: Uint8Array, answer: Answer): string {
  const pages = start.subarray(0, MARKED * PAGE_SIZE);
  return `${statedCount(start, answer)}-${fingerprint(pages)}`;
}

/**
 * Yield the file's pages, and return their number. A file without any is a database that was never
 * checkpointed: then all its pages must be in frames, and the base has no commit before theirs.
 */
async function* readFile(
  answer: Answer,
  why: string,
): AsyncGenerator<PageEvent, { pageCount: number; mark: string }> {
  let buffer = new ArrayBuffer(PIECE * PAGE_SIZE);
  let stated: number | null = null;
  let mark = "";
  let read = 0; // bytes
  for (;;) {
    const piece = await answer.read(buffer);
    if (read === 0) {
      if (piece.length > 0) {
        stated = statedCount(piece, answer);
        mark = markOf(piece, answer);
      }
      const base = { kind: "base", why, pageSize: PAGE_SIZE } as const;
      if (stated === null) yield { ...base, ascending: false };
      else yield { ...base, ascending: true, pageCount: stated };
    }
    const first = read / PAGE_SIZE + 1;
    read += piece.length;
    const ended = piece.length < buffer.byteLength || piece.length === 0;
    if (read % PAGE_SIZE !== 0) throw wrongLength(read, stated);
    if (stated !== null && (ended ? read !== stated * PAGE_SIZE : read > stated * PAGE_SIZE))
      throw wrongLength(read, stated);
    const pages = pagesOf(piece, first);
    if (pages.length > 0) yield { kind: "pages", pages };
    if (ended) return { pageCount: read / PAGE_SIZE, mark };
    buffer = piece.buffer;
  }
}

/** Return the number of pages that the file must have, by its own header or by the answer's. */
function statedCount(start: Uint8Array, answer: Answer): number {
  const { pageSize, pageCount } = readDatabaseHeader(start);
  if (pageSize !== PAGE_SIZE)
    throw new NightjarError(
      "PAGES_INVALID",
      `The export has pages of ${pageSize} bytes; the server's frames have ${PAGE_SIZE}.`,
    );
  const count = pageCount ?? (answer.length === null ? null : answer.length / PAGE_SIZE);
  if (count !== null && Number.isInteger(count)) return count;
  // Such a file would look whole if it were cut between two pages.
  throw new NightjarError("PAGES_INVALID", "Neither the export nor its headers tell its length.");
}

function pagesOf(piece: Uint8Array, first: number): Page[] {
  const pages: Page[] = [];
  for (let at = 0; at < piece.length; at += PAGE_SIZE) {
    const pgno = first + at / PAGE_SIZE;
    if (pgno !== lockPage(PAGE_SIZE))
      pages.push({ pgno, data: piece.subarray(at, at + PAGE_SIZE) });
  }
  return pages;
}

function wrongLength(read: number, stated: number | null): NightjarError {
  const wanted = stated === null ? "" : `, of ${stated} pages`;
  return new NightjarError(
    "PAGES_INVALID",
    `The export ended or went on at byte ${read}${wanted}: it is no whole database.`,
  );
}
