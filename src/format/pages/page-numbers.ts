/** Pages whose numbers lie in one piece. */
const PIECE = 1 << 16;

/** A typed array of small numbers. */
interface Numbers {
  readonly BYTES_PER_ELEMENT: number;
  [at: number]: number;
}

/**
 * A number for each page, 0 where none was set. Takes memory for the pages that have come, not for as
 * many as somebody says that there are: the length of a database is told by a server, or by a document
 * in the bucket.
 */
export class PageNumbers {
  readonly #make: new (length: number) => Numbers;
  readonly #pieces: (Numbers | undefined)[] = [];
  #bytes = 0;

  /** @param make the type of array that holds the numbers */
  constructor(make: new (length: number) => Numbers) {
    this.#make = make;
  }

  /** Bytes of memory in use. */
  get bytes(): number {
    return this.#bytes;
  }

  get(pgno: number): number {
    return this.#pieces[Math.floor(pgno / PIECE)]?.[pgno % PIECE] ?? 0;
  }

  set(pgno: number, value: number): void {
    const at = Math.floor(pgno / PIECE);
    let piece = this.#pieces[at];
    if (piece === undefined) {
      piece = this.#pieces[at] = new this.#make(PIECE);
      this.#bytes += PIECE * piece.BYTES_PER_ELEMENT;
    }
    piece[pgno % PIECE] = value;
  }
}
