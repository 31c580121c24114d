import type { Page } from "../format/pages/page.ts";
import type { PageCursor } from "../model/manifest.ts";
import type { Translated } from "../libsql/server-clock.ts";

/** A row of sqlite_schema, as the server sends it. */
export interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly rootpage: number;
  readonly sql: string | null;
}

export type PageEvent =
  /**
   * The start of a whole database, which ends with the next commit, and of a new lineage. With `ascending`,
   * its pages come in ascending order, each once, and there are `pageCount` of them.
   */
  | {
      kind: "base";
      why: string;
      pageSize: number;
      ascending: true;
      pageCount: number;
      /** The schema at the same moment, in the order of its rows, if it was asked for. */
      schema?: readonly SchemaRow[];
    }
  | { kind: "base"; why: string; pageSize: number; ascending: false }
  /**
   * Pages of the transaction that is being read; a later one replaces an earlier one. SQLite sometimes
   * writes pages beyond the commit's `pageCount`: they must be dropped.
   */
  | { kind: "pages"; pages: readonly Page[] }
  /** All pages up to here make a consistent database of `pageCount` pages. */
  | {
      kind: "commit";
      pageCount: number;
      /** The time of the commit, by the Worker's clock, if the server reports it. */
      at: Translated | null;
      /** Transactions since the last commit event, if they can be counted; else 1. */
      commits: number;
      cursor: PageCursor;
    };

/** The reason for a lineage that begins where nothing was read before. */
export const FIRST_CAPTURE = "the first capture";

/** A way to read a server's pages. */
export interface PageSource {
  readonly protocol: PageCursor["protocol"];
  /**
   * Read everything since `cursor`. Read a whole database if there is no cursor, or if nothing shows that
   * the server's history is still the one that the cursor belongs to. Ends where the server's history ended
   * when asked. Pages after the last commit event belong to a transaction that is not complete, and so do
   * pages before a base event: they must be dropped. The memory of an event's pages is valid until the next
   * event.
   *
   * @param why the reason in the base event if there is no cursor; by default that it is the first capture.
   *   A source of whole images has a reason of its own
   * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
   * `SOURCE_ERROR`, `SOURCE_STALLED`, `SOURCE_CUT`; `PAGES_INVALID` for an answer that cannot be true,
   * `SOURCE_MVCC`, `SOURCE_ENCRYPTED`, `PAGES_INCOMPLETE`
   */
  pull(cursor: PageCursor | null, why?: string): AsyncIterable<PageEvent>;
  /**
   * Read some pages again as they were at `cursor`. Absent where the server cannot show that.
   *
   * @param pgnos ascending, each once
   * @returns those that the server has there; undefined if it has moved on
   * @throws NightjarError as `pull`
   */
  readAgain?(cursor: PageCursor, pgnos: readonly number[]): Promise<readonly Page[] | undefined>;
}
