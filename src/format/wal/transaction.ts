import { NightjarError } from "../../errors/errors.ts";
import { readDatabaseHeader } from "../pages/database-header.ts";
import { lockPage, type Page } from "../pages/page.ts";

/**
 * Checks the frames of one transaction. A page above the size that the transaction leaves is not an error:
 * SQLite leaves such frames in its WAL when it wrote them before a ROLLBACK TO, and no longer reads them.
 */
export class WalTransaction {
  readonly #pageSize: number;
  /** Pages that the database did not have before. */
  readonly #added = new Set<number>();

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /**
   * Check a frame.
   *
   * @param pageCount pages of the database before the transaction; null if that is not known
   * @throws NightjarError `PAGES_INVALID`
   */
  add({ pgno, data }: Page, pageCount: number | null): void {
    if (pgno === 0 || pgno === lockPage(this.#pageSize))
      throw new NightjarError("PAGES_INVALID", `The server sent page ${pgno}, which cannot be.`);
    if (pgno === 1 && readDatabaseHeader(data).pageSize !== this.#pageSize)
      throw new NightjarError("PAGES_INVALID", "The database's page size changed.");
    if (pageCount !== null && pgno > pageCount) this.#added.add(pgno);
  }

  /**
   * End the transaction, which leaves `sizeAfter` pages where there were `pageCount`: it must contain each
   * page that was added.
   *
   * @throws NightjarError `PAGES_INVALID`
   */
  end(sizeAfter: number, pageCount: number | null): void {
    if (pageCount !== null)
      for (let pgno = pageCount + 1; pgno <= sizeAfter; pgno++)
        if (!this.#added.has(pgno) && pgno !== lockPage(this.#pageSize))
          throw new NightjarError(
            "PAGES_INVALID",
            `A transaction grew the database from ${pageCount} to ${sizeAfter} pages without page ${pgno}.`,
          );
    this.#added.clear();
  }
}
