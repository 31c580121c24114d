/** Pages whose bits are in one piece. */
const PIECE = 1 << 16;

/** A set of page numbers: a bit for each page, only for pieces of the database that have some. */
export class PageSet implements Iterable<number> {
  readonly #pieces: (Uint8Array | undefined)[] = [];
  #size = 0;

  /** Number of pages in the set. */
  get size(): number {
    return this.#size;
  }

  has(pgno: number): boolean {
    const piece = this.#pieces[Math.floor(pgno / PIECE)];
    return piece !== undefined && (piece[(pgno % PIECE) >> 3]! & (1 << (pgno & 7))) !== 0;
  }

  add(pgno: number): void {
    if (this.has(pgno)) return;
    const piece = (this.#pieces[Math.floor(pgno / PIECE)] ??= new Uint8Array(PIECE / 8));
    piece[(pgno % PIECE) >> 3]! |= 1 << (pgno & 7);
    this.#size++;
  }

  delete(pgno: number): void {
    if (!this.has(pgno)) return;
    this.#pieces[Math.floor(pgno / PIECE)]![(pgno % PIECE) >> 3]! &= ~(1 << (pgno & 7));
    this.#size--;
  }

  /** Yield the pages in ascending order. */
  *[Symbol.iterator](): Iterator<number> {
    for (let at = 0; at < this.#pieces.length; at++) {
      if (this.#pieces[at] === undefined) continue;
      const end = (at + 1) * PIECE;
      for (let pgno = at * PIECE; pgno < end; pgno++) if (this.has(pgno)) yield pgno;
    }
  }
}
