import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DAY } from "../../../src/plan/duration.ts";
import { type Kind, World } from "../../support/retention-world.ts";

/**
 * Random histories of a world with R2 and its lifecycle, the nightly prune (skipped, failing, killed),
 * backups that fail, verdicts that come late, pins, changes of policy and a clock that jumps. The jobs are
 * the real ones; a second, simplest definition of their duty is here.
 */

const SHORT = [DAY, 2 * DAY, 3 * DAY, 5 * DAY, 7 * DAY, 14 * DAY];
const LONG = [28 * DAY, 30 * DAY, 60 * DAY, 90 * DAY];
const KINDS: Record<string, Kind> = {
  "short ages, every other night may fail": { lifecycle: true, ages: SHORT, badNights: 1 },
  "ages of weeks and months, five nights in a row may fail": {
    ...{ lifecycle: true, ages: LONG, badNights: 5 },
  },
  "a clock that jumps by months": { lifecycle: false, ages: [...SHORT, ...LONG], badNights: 3 },
};

/** Backups of each kind of world: 10,000 in all with ALL set, else a third of that. */
const BACKUPS = process.env["ALL"] === undefined ? 1200 : 3400;

describe("retention over random histories", () => {
  const total = { made: 0, pinned: 0, pruned: 0 };
  beforeAll(() => {
    for (const level of ["info", "warn", "error"] as const)
      vi.spyOn(console, level).mockImplementation(() => {});
  });
  afterAll(() => {
    expect(total.made).toBeGreaterThanOrEqual(3 * BACKUPS);
    expect(total.pinned).toBeGreaterThan(30);
  });

  it.each(Object.entries(KINDS))("%s", { timeout: 600_000 }, async (_name, kind) => {
    for (let seed = 1, made = 0; made < BACKUPS; seed++) {
      const world = new World(seed, kind);
      await world.changePolicy();
      for (let day = 0; day < 300; day++) await world.day();
      made += world.made;
      total.made += world.made;
      total.pinned += world.pinned;
      total.pruned += world.pruned;
    }
  });
});
