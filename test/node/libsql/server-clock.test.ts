import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dateCommit } from "../../../src/jobs/log/pull.ts";
import { ServerClock } from "../../../src/libsql/server-clock.ts";

const NOW = Date.parse("2026-11-20T14:03:00Z");

/** Maximum age of a `Date` relative to its answer, ms. */
const EARLY = 1250;

/**
 * Requests to a server whose clock is `ahead`: the times of sending, answering and receiving, and the date.
 */
const requests = fc.array(
  fc
    .tuple(fc.nat(100_000), fc.nat(3000), fc.nat(3000), fc.nat(EARLY))
    .map(([sent, there, back, early]) => ({
      sent: NOW + sent,
      answered: NOW + sent + there,
      received: NOW + sent + there + back,
      dated: NOW + sent + there - early,
    })),
  { minLength: 1, maxLength: 12 },
);
const ahead = fc.integer({ min: -100_000_000, max: 100_000_000 });

/** Return the server's `Date` at a moment. */
const dateAt = (moment: number) => new Date(moment).toUTCString();

describe("the server's clock", () => {
  it("is measured so that the true moment of a commit is always among the possible ones", () => {
    fc.assert(
      fc.property(requests, ahead, fc.nat(100_000), (asked, offset, since) => {
        const clock = new ServerClock();
        for (const { sent, dated, received } of asked)
          clock.observe(dateAt(dated + offset), sent, received);
        const committed = NOW + since;
        const found = clock.translate(committed + offset)!;
        expect(found.earliest).toBeLessThanOrEqual(committed);
        expect(found.latest).toBeGreaterThanOrEqual(committed);
        const widest =
          Math.min(...asked.map(({ sent, received }) => received - sent)) + 999 + EARLY;
        expect(found.latest - found.earliest).toBeLessThanOrEqual(widest);
        expect(Math.abs(found.offset - offset)).toBeLessThanOrEqual(widest);
      }),
    );
  });

  it("may be set while it is measured: then nothing is ruled out that was possible", () => {
    const clock = new ServerClock();
    clock.observe(dateAt(NOW), NOW, NOW + 10);
    clock.observe(dateAt(NOW + 60_000), NOW + 20, NOW + 30);
    const found = clock.translate(NOW)!;
    expect(found.earliest).toBeLessThanOrEqual(NOW - 60_000 + 20);
    expect(found.latest).toBeGreaterThanOrEqual(NOW);
  });

  it("is not known without a Date header, nor by one that is none", () => {
    const clock = new ServerClock();
    clock.observe(null, NOW, NOW);
    clock.observe("yesterday", NOW, NOW);
    expect(clock.translate(NOW)).toBeNull();
  });
});

describe("the date of a commit", () => {
  it("is never before the commit, and never before the source was seen without it", () => {
    const told = fc.tuple(fc.nat(5000), fc.nat(5000)).map(([before, after]) => ({ before, after }));
    fc.assert(
      fc.property(fc.option(told), fc.nat(10_000), fc.nat(10_000), (range, age, delay) => {
        const committed = NOW;
        const [since, found] = [committed - age - 1, committed + delay];
        const translated = range && {
          earliest: committed - range.before,
          latest: committed + range.after,
          offset: 0,
        };
        const { at, uncertainty } = dateCommit(translated, since, found);
        expect(at).toBeGreaterThanOrEqual(committed);
        expect(at).toBeLessThanOrEqual(found);
        expect(at - uncertainty!).toBeLessThanOrEqual(committed);
        expect(at - uncertainty!).toBeGreaterThanOrEqual(since);
      }),
    );
  });

  it("is when it was found where the server's clock contradicts what was seen", () => {
    const told = { earliest: NOW - 40_000, latest: NOW - 30_000, offset: 0 };
    expect(dateCommit(told, NOW - 20_000, NOW)).toEqual({
      at: NOW,
      uncertainty: 20_000,
      clockOffset: null,
    });
  });
});
