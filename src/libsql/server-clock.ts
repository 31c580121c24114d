import type { Deps } from "../core/deps.ts";

/** `Date` gives whole seconds: the server's clock is up to so much further, ms. */
const RESOLUTION = 999;
/**
 * The oldest that a `Date` may be when its answer is written, ms. sqld uses hyper, which before its
 * fix of May 2025 renders the header once a second per thread, whenever that second began
 * (hyperium/hyper#3887). The quarter is for a thread that is paused between the header and the request.
 */
const DATE_AGE = 1250;

/** A moment of the server's by the Worker's clock: not before `earliest`, not after `latest`; ms. */
export interface Translated {
  readonly earliest: number;
  readonly latest: number;
  /** How far the server's clock was found to be ahead of the Worker's: the middle of what is possible. */
  readonly offset: number;
}

/**
 * Measures how far a server's clock is ahead of the Worker's, by the `Date` header of its answers: an
 * answer was made between the sending of its request and its arrival, so each one bounds the offset to
 * about two seconds and the time that the request took. Together they bound it closer.
 */
export class ServerClock {
  /** The server's clock minus the Worker's, ms: at least, and at most. */
  #offset: { least: number; most: number } | undefined;

  /** `deps` whose answers are measured. */
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
   * @param date the header of an answer, where it has one
   * @param sent when it was asked for, ms by the Worker's clock
   * @param received when it came
   */
  observe(date: string | null, sent: number, received: number): void {
    const told = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(told)) return;
    const least = told - received;
    const most = told + RESOLUTION + DATE_AGE - sent;
    const known = this.#offset ?? { least, most };
    const both = { least: Math.max(least, known.least), most: Math.min(most, known.most) };
    // One of the clocks was set meanwhile: only both answers together say how far apart they may be.
    this.#offset =
      both.least <= both.most
        ? both
        : { least: Math.min(least, known.least), most: Math.max(most, known.most) };
  }

  /** When a moment (ms) of the server's clock was by the Worker's; null where the server told no `Date`. */
  translate(moment: number): Translated | null {
    if (this.#offset === undefined) return null;
    const { least, most } = this.#offset;
    const offset = Math.round((least + most) / 2);
    return { earliest: moment - most, latest: moment - least, offset };
  }
}
