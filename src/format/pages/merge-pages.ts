import { NightjarError } from "../../errors/errors.ts";
import { closable } from "../bytes/closable.ts";
import { PageHeap } from "./page-heap.ts";
import type { Page } from "./page.ts";

const MAX_BATCH_PAGES = 64;

type Batches = AsyncIterable<readonly Page[]>;

/**
 * Merge the pages of all inputs in ascending order, each once. If inputs share a page, the one that comes
 * last in `inputs` (the newest) wins. Pages beyond `commit`, the database's length in pages, are dropped.
 * Each input must ascend. All inputs are read to their ends, because some prove only there that they are
 * sound, and are closed when the merge is left early or fails.
 *
 * A batch, of up to 64 pages, is memory of the inputs and valid until the next batch is asked for.
 *
 * @throws NightjarError `PAGES_INVALID` when an input does not ascend, and whatever an input throws
 */
export function mergePages(inputs: readonly Batches[], commit: number): Batches {
  const iterators = inputs.map((input) => input[Symbol.asyncIterator]());
  const close = async () => {
    await Promise.allSettled(iterators.map(async (iterator) => iterator.return?.()));
  };
  return closable(merge(iterators, commit), close);
}

async function* merge(
  iterators: readonly AsyncIterator<readonly Page[]>[],
  commit: number,
): AsyncGenerator<readonly Page[]> {
  const inputs = iterators.map((iterator) => new Input(iterator));
  const heap = new PageHeap(inputs.length);
  for (const [number, input] of inputs.entries())
    if (await input.advance()) heap.push(number, input.pgno);

  let batch: Page[] = [];
  let batches = 0;
  let last = 0;
  while (heap.size > 0) {
    const input = inputs[heap.top]!;
    if (input.pgno !== last && input.pgno <= commit) {
      last = input.pgno;
      batch.push(input.page);
      input.lentTo = batches;
    }
    if (!input.step()) {
      // The input's next batch invalidates the pages that the current one lent.
      if (input.lentTo === batches) {
        yield batch;
        batch = [];
        batches++;
      }
      if (!(await input.advance())) {
        heap.pop();
        continue;
      }
    }
    heap.replaceTop(input.pgno);
    if (batch.length === MAX_BATCH_PAGES) {
      yield batch;
      batch = [];
      batches++;
    }
  }
  if (batch.length > 0) yield batch;
}

/** One input and the place in its current batch. */
class Input {
  /** The number of the output batch that has pages of this input's memory; -1 for none. */
  lentTo = -1;
  pgno = 0;
  readonly #batches: AsyncIterator<readonly Page[]>;
  #batch: readonly Page[] = [];
  #at = 0;

  constructor(batches: AsyncIterator<readonly Page[]>) {
    this.#batches = batches;
  }

  get page(): Page {
    return this.#batch[this.#at]!;
  }

  /** Go to the next page of the batch. @returns true if there is one */
  step(): boolean {
    this.#at++;
    return this.#take();
  }

  /** Go to the next batch. @returns true if there is one */
  async advance(): Promise<boolean> {
    for (;;) {
      const next = await this.#batches.next();
      if (next.done === true) return false;
      this.#batch = next.value;
      this.#at = 0;
      if (this.#take()) return true;
    }
  }

  #take(): boolean {
    const page = this.#batch[this.#at];
    if (page === undefined) return false;
    if (page.pgno <= this.pgno)
      throw new NightjarError(
        "PAGES_INVALID",
        `Page ${page.pgno} comes after page ${this.pgno}: pages must ascend.`,
      );
    this.pgno = page.pgno;
    return true;
  }
}
