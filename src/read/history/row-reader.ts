import { asNightjarError } from "../../errors/errors.ts";
import type { SqlValue } from "../../format/rows/json-value.ts";
import type { Erasure } from "../../format/tables/erasure.ts";
import { chainBetween } from "../../plan/log-chain.ts";
import { reachOf } from "../../plan/row-states.ts";
import type { Image } from "../../sqlite/engine/image.ts";
import { openImage } from "../../sqlite/engine/open.ts";
import { type FoundRow, findRow } from "../../sqlite/rows/find-row.ts";
import { readKeyedTable } from "../../sqlite/rows/table-key.ts";
import type { Segment } from "../../catalog/lineages.ts";
import { type State, type StoredStates } from "./stored-states.ts";
import { WatchedPages } from "./watched-pages.ts";

/** The row in a state that was read, and the pages that this depends on. */
export interface Seen {
  /** The names of the table's key; undefined if there is no such table. */
  readonly key: readonly string[] | undefined;
  readonly row: FoundRow | undefined;
  readonly pages: WatchedPages;
}

/** Codes of states that are damaged: others may still tell. */
const UNREADABLE = new Set(["OBJECT_MISSING", "OBJECT_CORRUPT"]);

/** Reads one row in one state after the other, in one instance of SQLite. */
export class RowReader {
  /** States that were read. */
  read = 0;
  /** Pages that were read for them. */
  pages = 0;
  readonly #stored: StoredStates;
  readonly #table: string;
  readonly #key: readonly SqlValue[];
  readonly #erasures: readonly Erasure[];
  #image: Image | undefined;

  constructor(
    stored: StoredStates,
    table: string,
    key: readonly SqlValue[],
    erasures: readonly Erasure[],
  ) {
    this.#stored = stored;
    this.#table = table;
    this.#key = key;
    this.#erasures = erasures;
  }

  /**
   * Find the row in a state.
   *
   * @returns undefined for a state that is damaged
   * @throws NightjarError as `findRow`; `STORE_FAILED`
   */
  async see(state: State): Promise<Seen | undefined> {
    try {
      const pages = new WatchedPages(await this.#stored.open(state));
      const last = this.#image;
      this.#image = undefined;
      const image = await (last === undefined ? openImage(pages) : last.reopen(pages));
      this.#image = image;
      const keyed = await readKeyedTable(image, this.#table);
      const row =
        keyed?.key.length === this.#key.length
          ? await findRow(image, keyed, this.#key, this.#erasures)
          : undefined;
      this.read++;
      this.pages += pages.seen.size + 1;
      return { key: keyed?.key, row, pages };
    } catch (thrown) {
      if (!UNREADABLE.has(asNightjarError(thrown).code)) throw thrown;
      return undefined;
    }
  }

  /**
   * Find how far back the row is the same, by the indexes of the log: none of the pages was written that
   * finding it reads.
   *
   * @param at index of a state that has the row as it was seen
   * @returns the index of the oldest such state; `at` if the next one must be read
   */
  async reach(states: readonly State[], at: number, seen: Seen): Promise<number> {
    const state = states[at]!;
    if (state.place === null || at + 1 >= states.length) return at;
    // Of states with an erased row each is looked at: an entry concerns those before it only.
    const isErased = (seen.row?.erasures.length ?? 0) > 0;
    const segments = this.#stored
      .endingWith(state)
      .map((segment) => ({ segment, reach: reachOf(states, at, segment) }))
      .filter(({ reach }) => reach > at && (!isErased || reach === at + 1))
      .toSorted((a, b) => b.reach - a.reach);
    for (const { segment, reach } of segments)
      if (await this.#isApart([segment], states[reach]!, seen)) return reach;
    if (segments.length > 0) return at;
    const next = states[at + 1]!;
    if (next.place?.lineage !== state.place.lineage) return at;
    const all = this.#stored.segmentsOf(state.place.lineage);
    const chain = chainBetween(all, next.place.txid, state.place.txid);
    if (chain === undefined || !(await this.#isApart(chain, next, seen))) return at;
    return at + 1;
  }

  close(): void {
    this.#image?.close();
  }

  /** Return true if none of the pages that were read differs in an earlier state. */
  async #isApart(segments: readonly Segment[], earlier: State, { pages }: Seen): Promise<boolean> {
    try {
      let writesFirst = false;
      for (const segment of segments) {
        const index = await this.#stored.indexes.read(segment);
        for (const pgno of pages.seen) if (index.find(pgno) !== undefined) return false;
        writesFirst ||= index.find(1) !== undefined;
      }
      return !writesFirst || pages.hasSameStart(await this.#stored.firstPage(earlier));
    } catch (thrown) {
      if (!UNREADABLE.has(asNightjarError(thrown).code)) throw thrown;
      return false;
    }
  }
}
