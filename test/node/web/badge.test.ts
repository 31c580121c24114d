import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE } from "../../../src/plan/duration.ts";
import { badgeSvg } from "../../../src/web/badge.ts";
import { badgeFace } from "../../../src/web/badge-face.ts";

/** Check our measurements against shields.io's own renderer. */
const { makeBadge } = createRequire(import.meta.url)("badge-maker") as {
  makeBadge(face: { label: string; message: string; color: string }): string;
};

const widths = (svg: string) =>
  [
    /<svg[^>]* width="(\d+)"/.exec(svg)?.[1],
    ...[...svg.matchAll(/textLength="(\d+)"/g)].map((match) => match[1]),
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
        (message, color) => {
          const face = { label: "backup", message, color } as const;
          const [ours, theirs] = [badgeSvg(face), makeBadge(face)];
          expect(widths(ours)).toEqual(widths(theirs));
          expect(colors(ours)).toEqual(colors(theirs));
        },
      ),
    );
  });

  it("lets no markup in", () => {
    expect(badgeSvg({ label: "<a>", message: `"&'`, color: "red" })).not.toMatch(/<a>|"&'/);
  });

  it("says how long ago, or what is wrong", () => {
    const now = 100 * DAY;
    const says = (ago: number) => badgeFace("fresh", now - ago, now).message;
    expect([0, 5 * MINUTE, 2 * HOUR, 47 * HOUR, 3 * DAY].map(says)).toEqual([
      "just now",
      "5 min ago",
      "2 h ago",
      "47 h ago",
      "3 d ago",
    ]);
    expect(badgeFace("late", 0, now)).toMatchObject({ message: "late", color: "orange" });
    expect(badgeFace("failed", 0, now)).toMatchObject({ message: "failed", color: "red" });
    expect(badgeFace("none", undefined, now)).toMatchObject({
      message: "none yet",
      color: "lightgrey",
    });
  });
});
