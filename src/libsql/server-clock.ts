import type { Deps } from "../core/deps.ts";

/** `Date` has whole seconds: the server's clock may be ahead of it by this much, ms. */
const RESOLUTION = 999;
/**
 * The greatest age of a `Date` when its answer is written, ms. sqld uses hyper, which before its fix of May
 * 2025 renders the header once a second per thread, whenever that second began (hyperium/hyper#3887). The
 * quarter is for a thread that is paused between the header and the request.
 */
const DATE_AGE = 1250;

/** A moment of the server's clock by the Worker's: not before `earliest`, not after `latest`; ms. */
export interface Translated {
  readonly earliest: number;
  readonly latest: number;
  /** The measured lead of the server's clock over the Worker's: the middle of what is possible. */
  readonly offset: number;
}

/**
 * Measures the lead of a server's clock over the Worker's, by the `Date` header of its answers. An answer
 * was made between the sending of its request and its arrival, so each one bounds the offset to about two
 * seconds plus the time that the request took. Together they give closer bounds.
 */
export class ServerClock {
  /** Bounds of the server's clock minus the Worker's, ms. */
  #offset: { least: number; most: number } | undefined;

  /** Return `deps` whose answers are measured. */
  watch(deps: Deps): Deps {
    return {
      ...deps,
      fetch: async (url, init) => {
        const sent = deps.now();
        const response = await deps.fetch(url, init);
        this.observe(response.headers.get("date"), sent, deps.now());
        return response;
      },
    };
  }

  /**
   * Take in the `Date` of an answer.
   *
   * @param date the header of the answer, if it has one
   * @param sent the time of the request, ms by the Worker's clock
   * @param received the time of the answer
   */
  observe(date: string | null, sent: number, received: number): void {
    const told = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(told)) return;
    const least = told - received;
    const most = told + RESOLUTION + DATE_AGE - sent;
    const known = this.#offset ?? { least, most };
    const both = { least: Math.max(least, known.least), most: Math.min(most, known.most) };
    // One of the clocks was set in between: the bounds must cover both answers.
    this.#offset =
      both.least <= both.most
        ? both
        : { least: Math.min(least, known.least), most: Math.max(most, known.most) };
  }

  /** Convert a moment (ms) of the server's clock to the Worker's; null if the server sent no `Date`. */
  translate(moment: number): Translated | null {
    if (this.#offset === undefined) return null;
    const { least, most } = this.#offset;
    const offset = Math.round((least + most) / 2);
    return { earliest: moment - most, latest: moment - least, offset };
  }
}
