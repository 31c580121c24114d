import { type ErrorCode, NightjarError } from "../../errors/errors.ts";
import { lockPage } from "../pages/page.ts";
import { isSnapshot, type LtxHeader } from "./header.ts";

/**
 * Checks that the pages of an LTX file ascend, that the database has them, and that no snapshot lacks one.
 */
export class PageOrder {
  readonly #header: LtxHeader;
  readonly #code: ErrorCode;
  readonly #lockPage: number;
  readonly #snapshot: boolean;
  #last = 0;

  /** @param code the code of the errors */
  constructor(header: LtxHeader, code: ErrorCode) {
    this.#header = header;
    this.#code = code;
    this.#lockPage = lockPage(header.pageSize);
    this.#snapshot = isSnapshot(header);
  }

  /** Check the next page. */
  accept(pgno: number): void {
    const { commit } = this.#header;
    if (pgno <= this.#last)
      throw this.#error(`Page ${pgno} comes after page ${this.#last}: pages must ascend.`);
    if (pgno > commit)
      throw this.#error(`Page ${pgno} lies beyond the database's end at page ${commit}.`);
    if (pgno === this.#lockPage)
      throw this.#error(`Page ${pgno} is the lock page, which never holds data.`);
    if (this.#snapshot && pgno !== this.#next()) throw this.#missing();
    this.#last = pgno;
  }

  /** Check, after the last page, that none is missing. */
  end(): void {
    if (this.#snapshot && this.#next() <= this.#header.commit) throw this.#missing();
  }

  #next(): number {
    return this.#last + 1 === this.#lockPage ? this.#last + 2 : this.#last + 1;
  }

  #missing(): NightjarError {
    return this.#error(`Page ${this.#next()} is missing, and a snapshot has every page.`);
  }

  #error(message: string): NightjarError {
    return new NightjarError(this.#code, message);
  }
}
