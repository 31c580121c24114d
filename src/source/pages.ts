import type { Page } from "../format/page.ts";

/**
 * Where in a server's history a pull ended; the next one starts there. Plain JSON: it is kept beside
 * the pages that led to it.
 */
export type Cursor = ReplicaCursor | SyncCursor | ImageCursor;

/** A place in the replication log of sqld. */
export interface ReplicaCursor {
  protocol: "replica";
  /** Changes when the server lost its log: then the numbers start again. */
  logId: string;
  /** The last frame that was read. */
  frame: number;
  /** Its rolling checksum, 16 hexadecimal digits, where it is known. */
  checksum: string | null;
  /**
   * What was read so far mixes in pages of frames up to this one: only a commit at or after it is
   * a consistent state.
   */
  atLeast: number;
}

/** A place in Turso Cloud's sync protocol. */
export interface SyncCursor {
  protocol: "sync";
  generation: number;
  /** The last frame that was read; 0 for the generation's start. */
  frame: number;
}

/** A whole image: the server has no log to go on from. */
export interface ImageCursor {
  protocol: "dbpage";
}

export type PageEvent =
  /**
   * What follows, up to the next commit, is a whole database and starts a new lineage. `ascending`:
   * its pages come in ascending order, each once.
   */
  | { kind: "base"; why: string; pageSize: number; ascending: boolean }
  /** Pages of the transaction that is being read; a later one replaces an earlier one. */
  | { kind: "pages"; pages: readonly Page[] }
  /** All pages up to here make a consistent database of `pageCount` pages. */
  | {
      kind: "commit";
      pageCount: number;
      /** When it was committed, ms since the epoch, where the server tells. */
      at: number | null;
      /** Transactions since the last commit event, where they can be counted; else 1. */
      commits: number;
      cursor: Cursor;
    };

/** A way to read a server's pages. */
export interface PageSource {
  readonly protocol: Cursor["protocol"];
  /**
   * Everything since `cursor`, or a whole database where there is none or where the server's history
   * has broken off; ends where the server's history ended when asked. Pages after the last commit event
   * belong to a transaction that is not complete: they must be dropped. The memory of an event's pages
   * is valid until the next event.
   *
   * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
   * `SOURCE_ERROR`, `SOURCE_STALLED`, `SOURCE_CUT`; `PAGES_INVALID` for an answer that cannot be true
   */
  pull(cursor: Cursor | null): AsyncIterable<PageEvent>;
}
