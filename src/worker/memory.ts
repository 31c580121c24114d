import type { Context } from "./context.ts";
import type { Manifest } from "../model/manifest.ts";
import { type Format, partsOf } from "../plan/formats.ts";
import { MemoryBudget, PATIENCE, type Share } from "../core/memory-budget.ts";
import type { Act } from "../model/proof.ts";

const MIB = 1024 * 1024;

/** A Worker has 128 MB, of which SQLite takes 25 to itself: what is larger stays in the bucket; bytes. */
export const IN_MEMORY = 48 * 1024 * 1024;
/** SQL that can be replayed in memory; the database that it makes is of about that size. */
export const REPLAYABLE = 48 * 1024 * 1024;

/**
 * Memory that the work of an isolate may hold at once, bytes. A Worker has 128 MB; code, idle caches, and what the
 * engine has not collected yet take the rest: docs/limits.md has the measurements.
 */
export const ISOLATE_MEMORY = 56 * MIB;

/** The budget of this isolate. */
export const isolateMemory = new MemoryBudget(ISOLATE_MEMORY);

/** SQLite: its instance of WebAssembly with a cache of pages, bytes. */
const SQLITE = 26 * MIB;
/** A stream to R2 by parts: two parts, a compressor, and what is read meanwhile. */
const WRITE = 16 * MIB;

/**
 * Memory that downloads made while they are sent may hold at once, bytes: a slow reader holds its part for as
 * long as it likes, and a capture by pages or a pull must fit beside it.
 */
export const DOWNLOADS: Share = { limit: 28 * MIB };

/** Memory that each kind of work holds at most while it runs, bytes. */
export const COSTS = {
  captureDump: WRITE,
  /** A row of 5 MB is held as it came and as SQL. */
  captureRows: WRITE + 10 * MIB,
  capturePages: SQLITE + 2 * MIB,
  /** A pull into the log, a merge of its segments, a log's beginning. */
  log: 26 * MIB,
  copy: 36 * MIB,
  pin: WRITE + 4 * MIB,
  query: SQLITE + 6 * MIB,
  /** Two instances of SQLite with small caches, blocks and interior pages of both sides. */
  diff: 48 * MIB,
  /** One instance of SQLite, indexes of the log, and two rows with what is told of them. */
  history: SQLITE + 22 * MIB,
  restore: 32 * MIB,
  /** One instance of SQLite, the rows of both sides, and a request of them. */
  restoreRows: SQLITE + 24 * MIB,
} as const;

/** Memory that a proof holds, bytes. */
export function proofCost({ kind, raw, snapshot, encryption }: Manifest, act: Act): number {
  if (act === "verify")
    // The audit keeps 20 bytes a page, and 40 where all rowids need 64 bits.
    return snapshot === null || encryption !== undefined
      ? 12 * MIB
      : SQLITE + 4 * MIB + 40 * snapshot.pageCount;
  if (kind === "dump") return raw.bytes > REPLAYABLE ? MIB : SQLITE + Math.ceil(1.5 * raw.bytes);
  const inMemory = raw.bytes + (encryption?.content.bytes ?? 0);
  // What is larger is opened in the bucket, with a cache of its own.
  return SQLITE + (inMemory > IN_MEMORY ? 20 * MIB : inMemory + 2 * MIB);
}

/** Memory that a download made while it is sent holds, bytes. */
export function downloadCost(kind: Manifest["kind"], format: Format): number {
  const { content } = partsOf(format);
  return kind === "snapshot" && content !== "db" ? SQLITE + 2 * MIB : 10 * MIB;
}

/** Do a piece of work that nobody waits for at a screen, when it is its turn. */
export function inTurn<T>({ memory }: Context, bytes: number, work: () => Promise<T>): Promise<T> {
  return memory.use(bytes, Infinity, work);
}

/** Do what somebody waits for. @throws NightjarError `BUSY` when there is no memory in a few seconds */
export function atOnce<T>({ memory }: Context, bytes: number, work: () => Promise<T>): Promise<T> {
  return memory.use(bytes, PATIENCE, work);
}

/** Memory that a small range of a database file holds while it is read where it lies, bytes. */
export function rangeCost(length: number): number {
  return MIB + length;
}
