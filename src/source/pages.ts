import type { Page } from "../format/pages/page.ts";
import type { PageCursor } from "../model/manifest.ts";
import type { Translated } from "../libsql/server-clock.ts";

/** A row of sqlite_schema, as the server tells it. */
export interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly rootpage: number;
  readonly sql: string | null;
}

export type PageEvent =
  /**
   * What follows, up to the next commit, is a whole database and starts a new lineage. `ascending`:
   * its pages come in ascending order, each once, and there are `pageCount` of them.
   */
  | {
      kind: "base";
      why: string;
      pageSize: number;
      ascending: true;
      pageCount: number;
      /** Of the same moment, in the order of its rows, where it was asked for. */
      schema?: readonly SchemaRow[];
    }
  | { kind: "base"; why: string; pageSize: number; ascending: false }
  /**
   * Pages of the transaction that is being read; a later one replaces an earlier one. SQLite writes
   * pages beyond the commit's `pageCount` now and then: they are to be dropped.
   */
  | { kind: "pages"; pages: readonly Page[] }
  /** All pages up to here make a consistent database of `pageCount` pages. */
  | {
      kind: "commit";
      pageCount: number;
      /** When it was committed, by the Worker's clock, where the server tells. */
      at: Translated | null;
      /** Transactions since the last commit event, where they can be counted; else 1. */
      commits: number;
      cursor: PageCursor;
    };

/** Why a lineage begins where nothing was read before. */
export const FIRST_CAPTURE = "the first capture";

/** A way to read a server's pages. */
export interface PageSource {
  readonly protocol: PageCursor["protocol"];
  /**
   * Everything since `cursor`, or a whole database where there is none or where nothing shows that the
   * server's history is still the one that the cursor is a place in; ends where the server's history
   * ended when asked. Pages after the last commit event belong to a transaction that is not complete, and
   * so do pages before a base event: they must be dropped. The memory of an event's pages is valid until
   * the next event.
   *
   * @param why what the base event says where there is no cursor; "the first capture" unless told
   * @throws NightjarError `SOURCE_UNREACHABLE`, `SOURCE_UNAUTHORIZED`, `SOURCE_NOT_FOUND`,
   * `SOURCE_ERROR`, `SOURCE_STALLED`, `SOURCE_CUT`; `PAGES_INVALID` for an answer that cannot be true,
   * `SOURCE_MVCC`, `SOURCE_ENCRYPTED`
   */
  pull(cursor: PageCursor | null, why?: string): AsyncIterable<PageEvent>;
}
