import { NightjarError } from "./errors.ts";

/** What tells the time; every wait is a timer of the one who waits. */
export interface Clock {
  /** ms */
  now(): number;
  sleep(ms: number): Promise<void>;
  /** Call `tick` every `ms` milliseconds. @returns what stops it */
  every(ms: number, tick: () => void): () => void;
}

const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return () => clearInterval(timer);
  },
};

/** A claim that has not given a sign of life for so long is forgotten, ms; one gives it so often. */
const LEASE = 60_000;
const SIGN = 10_000;
/** How often one who waits looks whether it is its turn, ms. */
const LOOK = 100;

/** How long a person's request waits in line, ms, and when it should be sent again, s. */
export const PATIENCE = 8000;
export const RETRY_AFTER = 15;

interface Claim {
  readonly bytes: number;
  seenAt: number;
}

/**
 * The memory of one isolate, which everything that runs in it shares. Work says in advance what it
 * takes and waits in line until there is so much; first come, first served.
 *
 * - Who holds must never wait for more, in its own name or for another's answer.
 * - Work that takes more than the whole runs alone.
 * - A request that Cloudflare cancels stops in the middle, and gives nothing back. Each claim is
 *   therefore renewed by a timer of its own request, and forgotten a minute after the last time.
 * - Who waits looks by a timer of its own too: workerd cancels a request that only waits for another one.
 */
export class MemoryBudget {
  readonly #limit: number;
  readonly #clock: Clock;
  readonly #held = new Set<Claim>();
  readonly #line = new Set<Claim>(); // in the order in which they came

  /** @param limit bytes */
  constructor(limit: number, clock: Clock = systemClock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Bytes that are held now. */
  get held(): number {
    let bytes = 0;
    for (const claim of this.#held) bytes += claim.bytes;
    return bytes;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#line.size;
  }

  /**
   * Wait for memory.
   *
   * @param patience ms
   * @returns what gives it back; it may be called more than once
   * @throws NightjarError `BUSY` when there is none in time
   */
  async hold(bytes: number, patience = Infinity): Promise<() => void> {
    const claim = { bytes: Math.min(bytes, this.#limit), seenAt: this.#clock.now() };
    this.#line.add(claim);
    for (let waited = 0; !this.#isNext(claim); waited += LOOK) {
      if (waited >= patience) {
        this.#line.delete(claim);
        throw new NightjarError(
          "BUSY",
          "The Worker is at work on as much as its memory holds at once.",
        );
      }
      await this.#clock.sleep(LOOK);
      claim.seenAt = this.#clock.now();
      this.#line.add(claim); // where it was, unless it was forgotten meanwhile
    }
    this.#line.delete(claim);
    this.#held.add(claim);
    const stop = this.#clock.every(SIGN, () => {
      claim.seenAt = this.#clock.now();
    });
    return () => {
      stop();
      this.#held.delete(claim);
    };
  }

  /** Do something while memory is held for it. @throws NightjarError as `hold`; what `action` throws */
  async use<T>(bytes: number, patience: number, action: () => Promise<T>): Promise<T> {
    const release = await this.hold(bytes, patience);
    try {
      return await action();
    } finally {
      release();
    }
  }

  /** Whether a claim is the first in line, and there is room for it. */
  #isNext(claim: Claim): boolean {
    const oldest = this.#clock.now() - LEASE;
    for (const claims of [this.#held, this.#line])
      for (const other of claims) if (other.seenAt < oldest) claims.delete(other);
    const [first] = this.#line;
    return first === claim && this.held + claim.bytes <= this.#limit;
  }
}
