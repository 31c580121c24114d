import { NightjarError } from "../errors/errors.ts";

/** The clock. Every waiter has a timer of its own. */
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

/** A claim that has not given a sign of life for so long is forgotten, ms; one that is held gives it so often. */
const LEASE = { held: 60_000, waiting: 15_000 };
const SIGN = 10_000;
/** Interval at which a waiter looks whether it is its turn, ms. */
const LOOK = 100;

/** Time for which a person's request waits in line, ms, and after which it should be sent again, s. */
export const PATIENCE = 8000;
export const RETRY_AFTER = 15;

/** A part of the memory, which one kind of work has at the most. */
export interface Share {
  /** bytes */
  readonly limit: number;
}

interface Claim {
  readonly bytes: number;
  readonly share: Share | undefined;
  seenAt: number;
}

/**
 * The memory of one isolate, which everything that runs in it shares. Work says in advance what it
 * takes and waits in line until there is so much; first come, first served.
 *
 * - Who holds must never wait for more, in its own name or for another's answer.
 * - Work that takes more than the whole, or than its share, runs alone there.
 * - Who waits for its share holds nobody up that is not of it.
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

  /** Number of waiters. */
  get waiting(): number {
    return this.#line.size;
  }

  /**
   * Wait for memory.
   *
   * @param patience ms
   * @param share of what the memory is besides; none means the whole
   * @returns what gives it back; it may be called more than once
   * @throws NightjarError `BUSY` when there is none in time
   */
  async hold(bytes: number, patience = Infinity, share?: Share): Promise<() => void> {
    const claim = this.#claim(bytes, share);
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
    return this.#grant(claim);
  }

  #claim(bytes: number, share?: Share): Claim {
    const most = Math.min(this.#limit, share?.limit ?? Infinity);
    return { bytes: Math.min(bytes, most), share, seenAt: this.#clock.now() };
  }

  #grant(claim: Claim): () => void {
    this.#held.add(claim);
    const stop = this.#clock.every(SIGN, () => {
      claim.seenAt = this.#clock.now();
    });
    return () => {
      stop();
      this.#held.delete(claim);
    };
  }

  /** Take memory if nobody waits and there is so much; what gives it back. */
  holdNow(bytes: number): (() => void) | undefined {
    const claim = this.#claim(bytes);
    this.#line.add(claim);
    const free = this.#isNext(claim);
    this.#line.delete(claim);
    return free ? this.#grant(claim) : undefined;
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

  /** Return true if a claim fits its share. */
  #fitsShare({ bytes, share }: Claim): boolean {
    if (share === undefined) return true;
    let held = 0;
    for (const claim of this.#held) if (claim.share === share) held += claim.bytes;
    return held + bytes <= share.limit;
  }

  /** Return true if a claim is the first in line that fits its share, and there is room for it. */
  #isNext(claim: Claim): boolean {
    const now = this.#clock.now();
    for (const other of this.#held) if (other.seenAt < now - LEASE.held) this.#held.delete(other);
    for (const other of this.#line)
      if (other.seenAt < now - LEASE.waiting) this.#line.delete(other);
    const first = [...this.#line].find((waiting) => this.#fitsShare(waiting));
    return first === claim && this.held + claim.bytes <= this.#limit;
  }
}
