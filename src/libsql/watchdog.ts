import { messageOf, NightjarError } from "../errors/errors.ts";

/** Aborts a request when nothing moves for too long, and distinguishes a stall from a broken connection. */
export class Watchdog {
  readonly #ms: number;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout>;
  #waiting = false;
  #moved = false;
  #stalled = false;

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Start the timer. One for each read would cost more than the read: one that looks back is enough. */
  #arm(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      // While nothing waits for the server, it cannot be late: the reader itself is busy.
      this.#stalled = this.#waiting && !this.#moved;
      this.#moved = false;
      if (this.#stalled) this.#controller.abort();
      else this.#timer = this.#arm();
    }, this.#ms);
  }

  /**
   * Wait for the server.
   *
   * @throws NightjarError `SOURCE_STALLED` when it took too long, else the one that was thrown, else `broken`
   */
  async guard<T>(broken: "SOURCE_UNREACHABLE" | "SOURCE_CUT", wait: () => Promise<T>): Promise<T> {
    this.#waiting = this.#moved = true;
    try {
      return await wait();
    } catch (thrown) {
      if (this.#stalled)
        throw new NightjarError(
          "SOURCE_STALLED",
          `The server sent (almost) nothing for ${this.#ms / 1000} s.`,
        );
      // Not the server's: a token could not be replaced.
      if (thrown instanceof NightjarError) throw thrown;
      const lead = broken === "SOURCE_CUT" ? "The connection broke off" : "No connection";
      throw new NightjarError(broken, `${lead}: ${messageOf(thrown)}`, { cause: thrown });
    } finally {
      this.#waiting = false;
    }
  }

  /** End the request, whatever its state. This frees the server from a reader that left early. */
  end(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}
