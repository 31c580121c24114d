import type { Deps } from "../core/deps.ts";
import { asNightjarError } from "../errors/errors.ts";
import type { Value } from "../libsql/hrana-messages.ts";
import type { Source } from "../libsql/server.ts";
import { type Ask, send, type Step, type Told } from "./pipeline.ts";
import { rowsOf } from "./run-statements.ts";

/** A transaction over many requests, kept by the batons that the server gives. */
export class Transaction {
  readonly #target: Source;
  readonly #deps: Deps;
  #baton: string | undefined;

  constructor(target: Source, deps: Deps) {
    this.#target = target;
    this.#deps = deps;
  }

  /** Run statements, and return their rows. @throws NightjarError as `rowsOf` and `send` */
  async run(steps: readonly Step[]): Promise<readonly Value[][][]> {
    return rowsOf(this.#target, await this.tell(steps));
  }

  /** Run statements, and return the number that the last one gives. */
  async count(...steps: Step[]): Promise<number> {
    return Number((await this.run(steps)).at(-1)![0]![0]);
  }

  /**
   * Run the last statements, and COMMIT.
   *
   * @param isDone is asked for the outcome if the answer is lost
   * @throws NightjarError as `run` and `isDone`
   */
  async commit(steps: readonly Step[], isDone: (lost: unknown) => Promise<boolean>): Promise<void> {
    try {
      rowsOf(this.#target, await this.tell([...steps, COMMIT], [{ close: true }]));
    } catch (thrown) {
      if (!asNightjarError(thrown).retryable) throw thrown;
      if (!(await isDone(thrown))) throw thrown;
    }
  }

  /** End the stream, and the transaction with it; otherwise the server does so after 10 s. */
  async abandon(): Promise<void> {
    if (this.#baton === undefined) return;
    const closing = send(this.#target, this.#deps, [{ close: true }], this.#baton);
    await closing.catch(() => {}); // the caller throws the reason for it
  }

  /** Run statements, and return what the server tells. @throws NightjarError as `send` */
  async tell(batch: readonly Step[], then: readonly Ask[] = []): Promise<Told> {
    const asks = [{ batch }, ...then];
    const { told, baton } = await send(this.#target, this.#deps, asks, this.#baton);
    this.#baton = baton;
    return told[0]!;
  }
}

/** The statement that ends a transaction, if it is still open. */
export const COMMIT: Step = { sql: "COMMIT", inTransaction: true };
