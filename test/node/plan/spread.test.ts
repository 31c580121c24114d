import { describe, expect, it } from "vitest";
import { MINUTE } from "../../../src/plan/duration.ts";
import { startDelay } from "../../../src/plan/schedule.ts";

const NIGHT = "0 0 * * *";

describe("the spread of runs that share a schedule", () => {
  it("starts one that is alone at once, whatever others do", () => {
    expect(startDelay("shop", NIGHT, [NIGHT, "0 1 * * *", "0 2 * * *"])).toBe(0);
  });

  it("keeps a database's minute, in whole minutes below as many as there are", () => {
    for (const sharing of [2, 7, 29]) {
      const schedules = Array<string>(sharing).fill(NIGHT);
      for (let at = 0; at < 100; at++) {
        const delay = startDelay(`db-${at}`, NIGHT, schedules);
        expect(delay).toBe(startDelay(`db-${at}`, NIGHT, schedules));
        expect(delay % MINUTE).toBe(0);
        expect(delay / MINUTE).toBeLessThan(sharing);
      }
    }
  });

  it("spreads a thousand over thirty minutes, none of which has many more than its share", () => {
    const schedules = Array<string>(1000).fill(NIGHT);
    const minutes = Array<number>(30).fill(0);
    for (let at = 0; at < 1000; at++)
      minutes[startDelay(`customer-${at}`, NIGHT, schedules) / MINUTE]!++;
    expect(Math.min(...minutes)).toBeGreaterThan(10);
    expect(Math.max(...minutes)).toBeLessThan(70);
  });
});
