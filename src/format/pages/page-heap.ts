/**
 * The inputs of a merge, by the page that each has next: the lowest page on top and, of inputs with the
 * same page, the newest. A binary heap of one number per input that holds both.
 */
export class PageHeap {
  readonly #inputs: number;
  /** pgno × inputs + the number of newer inputs: below 2^53 for a million inputs. */
  readonly #keys: Float64Array;
  #size = 0;

  /** @param inputs the number of inputs, which are numbered from 0, the oldest */
  constructor(inputs: number) {
    this.#inputs = inputs;
    this.#keys = new Float64Array(inputs);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the input whose page is next. */
  get top(): number {
    return this.#inputs - 1 - (this.#keys[0]! % this.#inputs);
  }

  push(input: number, pgno: number): void {
    const key = this.#key(input, pgno);
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (this.#keys[parent]! <= key) break;
      this.#keys[at] = this.#keys[parent]!;
      at = parent;
    }
    this.#keys[at] = key;
  }

  /** Move the input on top on to `pgno`. */
  replaceTop(pgno: number): void {
    this.#sink(this.#key(this.top, pgno));
  }

  /** Remove the input on top, which has ended. */
  pop(): void {
    this.#size--;
    this.#sink(this.#keys[this.#size]!);
  }

  #key(input: number, pgno: number): number {
    return pgno * this.#inputs + (this.#inputs - 1 - input);
  }

  #sink(key: number): void {
    const keys = this.#keys;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= key) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = key;
  }
}
