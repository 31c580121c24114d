import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Clock, MemoryBudget } from "../../../src/core/memory-budget.ts";

/** A clock that a test moves; sleepers wake in order of their times. */
class TestClock implements Clock {
  #now = 0;
  #sleepers: { at: number; wake: () => void }[] = [];
  #ticks = new Set<{ ms: number; next: number; tick: () => void }>();

  now = () => this.#now;
  sleep = (ms: number) =>
    new Promise<void>((wake) => void this.#sleepers.push({ at: this.#now + ms, wake }));
  every = (ms: number, tick: () => void) => {
    const timer = { ms, next: this.#now + ms, tick };
    this.#ticks.add(timer);
    return () => void this.#ticks.delete(timer);
  };

  /** Cancel requests as Cloudflare does: none of their code runs any more. */
  killAll(): void {
    this.#sleepers = [];
    this.#ticks.clear();
  }

  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now = Math.min(end, this.#now + 50);
      for (const timer of this.#ticks)
        for (; timer.next <= this.#now; timer.next += timer.ms) timer.tick();
      const due = this.#sleepers.filter(({ at }) => at <= this.#now);
      this.#sleepers = this.#sleepers.filter(({ at }) => at > this.#now);
      for (const { wake } of due) wake();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }
}

const settled = async (promise: Promise<unknown>) => {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return done;
};

describe("MemoryBudget", () => {
  it("gives at once what is free, and takes it back once", async () => {
    const budget = new MemoryBudget(100, new TestClock());
    const release = await budget.hold(60);
    expect(budget.held).toBe(60);
    release();
    release();
    expect(budget.held).toBe(0);
  });

  it("serves first who came first, also before one who needs less", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    const first = await budget.hold(80);
    const large = budget.hold(50);
    const small = budget.hold(10);
    await clock.pass(1000);
    expect([await settled(large), await settled(small)]).toEqual([false, false]);
    first();
    await clock.pass(1000);
    expect([await settled(large), await settled(small)]).toEqual([true, true]);
    expect(budget.held).toBe(60);
  });

  it("gives nothing at once while others wait, and keeps nobody's place", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    const release = budget.holdNow(90)!;
    const next = budget.hold(50);
    expect(budget.holdNow(5)).toBeUndefined();
    expect(budget.waiting).toBe(1);
    release();
    await clock.pass(1000);
    (await next)();
    expect(budget.holdNow(100)).toBeDefined();
  });

  it("runs what takes more than the whole alone", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    const small = await budget.hold(1);
    const huge = budget.hold(5000);
    await clock.pass(1000);
    expect(await settled(huge)).toBe(false);
    small();
    await clock.pass(1000);
    expect(budget.held).toBe(100);
    expect(budget.waiting).toBe(0);
    (await huge)();
  });

  it("turns away who has no more patience, and lets the next ones on", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    await budget.hold(80);
    const turnedAway = budget.hold(50, 2000).catch((error: unknown) => error);
    const next = budget.hold(20);
    await clock.pass(1500);
    expect(await settled(next)).toBe(false);
    await clock.pass(1000);
    expect(await turnedAway).toMatchObject({ code: "BUSY", status: 503, retryable: true });
    expect(await settled(next)).toBe(true);
  });

  it("keeps a share to its limit, and lets others pass those who wait for it", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    const share = { limit: 50 };
    const first = await budget.hold(30, Infinity, share);
    const second = budget.hold(30, Infinity, share);
    const impatient = budget.hold(21, 2000, share).catch((error: unknown) => error);
    await clock.pass(1000);
    expect(await settled(second)).toBe(false);
    const other = await budget.hold(50, 0);
    expect(budget.holdNow(20)).toBeDefined();
    await clock.pass(2000);
    expect(await impatient).toMatchObject({ code: "BUSY" });
    first();
    other();
    await clock.pass(1000);
    expect(await settled(second)).toBe(true);
    (await second)();
    await budget.hold(9999, 0, share);
    expect(budget.held).toBe(20 + share.limit);
  });

  it("gives back what failed work held", async () => {
    const budget = new MemoryBudget(100, new TestClock());
    const failing = budget.use(70, 0, () => Promise.reject(new Error("no")));
    await expect(failing).rejects.toThrow("no");
    expect(budget.held).toBe(0);
  });

  it("forgets what a cancelled request held or waited for, and only that", async () => {
    const clock = new TestClock();
    const budget = new MemoryBudget(100, clock);
    await budget.hold(90);
    void budget.hold(90);
    clock.killAll();
    const living = budget.hold(95);
    await clock.pass(30_000);
    expect(await settled(living)).toBe(false);
    await clock.pass(40_000);
    expect(await settled(living)).toBe(true);
    const later = budget.hold(10);
    await clock.pass(600_000);
    expect(await settled(later)).toBe(false);
  });

  it("never holds more than its limit, and serves everybody, whatever comes, fails and leaves", async () => {
    const piece = fc.record({
      bytes: fc.integer({ min: 1, max: 150 }),
      after: fc.nat(2000),
      takes: fc.nat(5000),
      fails: fc.boolean(),
      patience: fc.constantFrom(Infinity, 500, 3000),
      shared: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 25 }), async (pieces) => {
        const clock = new TestClock();
        const budget = new MemoryBudget(100, clock);
        const share = { limit: 40 };
        let most = 0;
        let [sharing, mostShared] = [0, 0];
        let served = 0;
        let refused = 0;
        const all = pieces.map(async ({ bytes, after, takes, fails, patience, shared }) => {
          await clock.sleep(after);
          if (shared) {
            const release = await budget.hold(bytes, patience, share).catch(() => void refused++);
            if (release === undefined) return;
            sharing += Math.min(bytes, share.limit);
            mostShared = Math.max(mostShared, sharing);
            most = Math.max(most, budget.held);
            await clock.sleep(takes);
            served++;
            sharing -= Math.min(bytes, share.limit);
            release();
            return;
          }
          await budget
            .use(bytes, patience, async () => {
              most = Math.max(most, budget.held);
              await clock.sleep(takes);
              served++;
              if (fails) throw new Error("it failed");
            })
            .catch((error: unknown) => {
              if ((error as { code?: string }).code === "BUSY") refused++;
            });
        });
        await clock.pass(200_000);
        await Promise.all(all);
        expect(most).toBeLessThanOrEqual(100);
        expect(mostShared).toBeLessThanOrEqual(share.limit);
        expect(served + refused).toBe(pieces.length);
        expect(refused).toBeLessThanOrEqual(pieces.filter((one) => one.patience < Infinity).length);
        expect([budget.held, budget.waiting]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
