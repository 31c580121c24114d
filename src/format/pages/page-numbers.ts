/** Pages whose numbers are in one piece. */
const PIECE = 1 << 16;

/** A typed array of small numbers. */
interface Numbers {
  readonly BYTES_PER_ELEMENT: number;
  [at: number]: number;
}

/**
 * A number for each page, 0 if none was set. Takes memory only for the pages that have come, not for as
 * many as a server, or a document in the bucket, says that the database has.
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
