import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PageAudit } from "../../../src/format/pages/page-audit.ts";
import { PageNumbers } from "../../../src/format/pages/page-numbers.ts";

describe("PageNumbers", () => {
  it("gives back what was set last, and 0 for the rest", () => {
    const entry = fc.tuple(fc.nat(300_000), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const numbers = new PageNumbers(Uint16Array);
        const known = new Map<number, number>();
        for (const [pgno, value] of entries) {
          numbers.set(pgno, value);
          known.set(pgno, value);
        }
        for (const [pgno] of entries) {
          expect(numbers.get(pgno)).toBe(known.get(pgno));
          expect(numbers.get(pgno + 1)).toBe(known.get(pgno + 1) ?? 0);
        }
      }),
    );
  });

  it("takes memory for what has come, whatever length a manifest tells", () => {
    const audit = new PageAudit({ pageSize: 4096, pageCount: 2 ** 31 });
    audit.add(1, new Uint8Array(4096));
    expect(audit.memory).toBeLessThan(1024 * 1024);
  });
});
