import { NightjarError } from "../../../errors/errors.ts";
import { lockPage } from "../page.ts";
import type { DatabaseSize } from "./header.ts";
import type { PointerMap } from "./pointer-map.ts";

/** The use that a page is taken for. */
export interface Taker {
  /** The index of the user's name. */
  readonly user: number;
  /** The page that points to this one; 0 if that is none of the user's pages, as for a root. */
  readonly from: number;
  /** The end of "Page 3, … points to page 7 as …". */
  readonly as: string;
  /** The type that a pointer map must have for the page. */
  readonly mapped: number;
}

/** Make an error about a page of a stored database. */
export function corrupt(message: string): NightjarError {
  return new NightjarError("OBJECT_CORRUPT", message);
}

/** Checks that every page of a database is used once. */
export class PageUse {
  /** By page: the user's index in `#users`, plus one; 0 if the page is not used. */
  readonly #usedBy: Uint16Array | Uint32Array;
  readonly #users: readonly string[];
  readonly #lock: number;
  readonly #maps: PointerMap | undefined;
  readonly #pageCount: number;

  /**
   * @param users all that may use pages, by names that fit after "used by"
   * @param maps the pointer maps of a database that has them
   */
  constructor(size: DatabaseSize, users: readonly string[], maps?: PointerMap) {
    this.#pageCount = size.pageCount;
    this.#lock = lockPage(size.pageSize);
    this.#users = users;
    this.#maps = maps;
    const numbers = users.length < 0xffff ? Uint16Array : Uint32Array;
    this.#usedBy = new numbers(size.pageCount + 1);
  }

  /**
   * Mark a page as used.
   *
   * @throws NightjarError `OBJECT_CORRUPT` when there is no such page, or when it is used already
   */
  take(pgno: number, taker: Taker): void {
    const problem = this.#problem(pgno, taker);
    if (problem !== undefined)
      throw corrupt(
        `${this.#name(taker.user, taker.from)} points to page ${pgno} as ${taker.as}, but ${problem}.`,
      );
    this.#usedBy[pgno] = taker.user + 1;
  }

  /**
   * Check, after all pages were taken, that every page is used.
   *
   * @throws NightjarError `OBJECT_CORRUPT` when one is not
   */
  checkAllUsed(): void {
    for (let pgno = 1; pgno <= this.#pageCount; pgno++)
      if (this.#usedBy[pgno] === 0 && pgno !== this.#lock && this.#maps?.has(pgno) !== true)
        throw corrupt(`Page ${pgno} is used by nothing.`);
  }

  /** Make an error about a page that was taken. */
  fault(pgno: number, user: number, problem: string): NightjarError {
    return corrupt(`${this.#name(user, pgno)}: ${problem}.`);
  }

  #name(user: number, pgno: number): string {
    const name = this.#users[user]!;
    return pgno === 0 ? name[0]!.toUpperCase() + name.slice(1) : `Page ${pgno} of ${name}`;
  }

  #problem(pgno: number, taker: Taker): string | undefined {
    if (pgno === 0) return "pages are numbered from 1";
    if (pgno > this.#pageCount) return `the database ends with page ${this.#pageCount}`;
    if (pgno === this.#lock) return "that is the lock page, which SQLite never uses";
    if (this.#maps?.has(pgno)) return "that is a page of the pointer map";
    const user = this.#usedBy[pgno]!;
    if (user !== 0) return `${this.#users[user - 1]} uses that page already`;
    if (pgno === 1) return undefined; // has no entry in any map
    return this.#maps?.contradiction(pgno, taker.mapped, taker.from);
  }
}
