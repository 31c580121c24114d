import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import type { Freshness } from "../../../src/plan/freshness.ts";
import { BADGE_STYLES, badgeSvg } from "../../../src/web/badge.ts";
import { BADGE_SHOWS, type BadgeFacts, badgeFace } from "../../../src/web/badge-face.ts";

/** Check our measurements against shields.io's own renderer. */
const { makeBadge } = createRequire(import.meta.url)("badge-maker") as {
  makeBadge(face: { label: string; message: string; color: string; style: string }): string;
};

const widths = (svg: string) =>
  [
    /<svg[^>]* width="([\d.]+)"/.exec(svg)?.[1],
    ...[...svg.matchAll(/textLength="([\d.]+)"/g)].map((match) => match[1]),
  ].filter((value, index, all) => all.indexOf(value) === index);
const colors = (svg: string) =>
  [...svg.matchAll(/<rect[^>]* fill="(#\w+)"/g)].map((match) => match[1]);

describe("the badge", () => {
  it("has the measures and the colours of shields.io", () => {
    const text = fc
      .stringMatching(/^[ -~]{1,30}$/)
      .filter((value) => value.trim() === value && value !== "");
    fc.assert(
      fc.property(
        text,
        fc.constantFrom("brightgreen", "orange", "red", "lightgrey"),
        fc.constantFrom(...BADGE_STYLES),
        (message, color, style) => {
          const face = { label: "backup", message, color } as const;
          const [ours, theirs] = [badgeSvg(face, style), makeBadge({ ...face, style })];
          expect(widths(ours)).toEqual(widths(theirs));
          expect(colors(ours)).toEqual(colors(theirs));
        },
      ),
      { numRuns: Number(process.env.BADGES ?? 100), examples: [["lGt#<L", "brightgreen", "flat"]] },
    );
  });

  it("lets no markup in", () => {
    expect(badgeSvg({ label: "<a>", message: `"&'`, color: "red" })).not.toMatch(/<a>|"&'/);
  });

  it("says how long ago, or what is wrong", () => {
    const now = 100 * DAY;
    const facts = { drilledAt: undefined, restorableAt: undefined, bytes: undefined };
    const of = (state: Freshness, verifiedAt?: number): BadgeFacts => ({
      ...{ ...facts, state, verifiedAt },
    });
    const says = (ago: number) => badgeFace(of("fresh", now - ago), now).message;
    expect([0, 5 * MINUTE, 2 * HOUR, 47 * HOUR, 3 * DAY].map(says)).toEqual([
      "just now",
      "5 min ago",
      "2 h ago",
      "47 h ago",
      "3 d ago",
    ]);
    expect(badgeFace(of("late", 0), now)).toMatchObject({ message: "late", color: "orange" });
    expect(badgeFace(of("failed", 0), now)).toMatchObject({ message: "failed", color: "red" });
    expect(badgeFace(of("none"), now)).toMatchObject({
      message: "none yet",
      color: "lightgrey",
    });
  });

  it("shows the newest drilled backup, the recovery point and the size, in the state's colour", () => {
    const now = 100 * DAY;
    const facts = {
      state: "failed",
      verifiedAt: now - 3 * HOUR,
      drilledAt: now - 4 * DAY,
      restorableAt: now - 2 * MINUTE,
      bytes: 4_251_648,
    } as const;
    const says = (show: (typeof BADGE_SHOWS)[number]) => {
      const { label, message, color } = badgeFace(facts, now, show);
      return `${label}: ${message}, ${color}`;
    };
    expect(BADGE_SHOWS.map(says)).toEqual([
      "backup: failed, red",
      "restorable: 4 d ago, red",
      "recovery point: 2 min ago, red",
      "backup size: 4.3 MB, red",
    ]);
    expect(badgeFace(facts, now, "size", "shop").label).toBe("shop");
    const sizes = [0, 999, 1000, 999_949, 123_456_789, 5e15].map(
      (bytes) => badgeFace({ ...facts, bytes }, now, "size").message,
    );
    expect(sizes).toEqual(["0 B", "999 B", "1.0 kB", "1.0 MB", "123 MB", "5000 TB"]);
  });
});
