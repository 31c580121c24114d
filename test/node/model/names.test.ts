import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRange } from "../../../src/http/links/range.ts";
import { grantFor, linkPath, readLink } from "../../../src/http/links/link-url.ts";
import { FORMATS } from "../../../src/plan/formats.ts";
import { TIERS } from "../../../src/plan/tier.ts";
import {
  bytesKey,
  manifestKey,
  ownKey,
  parseKey,
  pinnedKey,
  proofKey,
  proofPrefix,
} from "../../../src/store/keys.ts";
import { parseSegmentKey, segmentKey } from "../../../src/store/segment-keys.ts";

const backupName = fc.record({
  tier: fc.constantFrom(...TIERS),
  database: fc.oneof(fc.constant("a".repeat(64)), fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,63}$/)),
  takenAt: fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000),
  id: fc.stringMatching(/^[0-9a-hjkmnp-tv-z]{12}$/),
});

describe("keys", () => {
  it("come back from what they were made of", () => {
    fc.assert(
      fc.property(backupName, (name) => {
        const keys = {
          [bytesKey(name, "dump")]: "bytes",
          [bytesKey(name, "snapshot")]: "bytes",
          [bytesKey(name, "dump", true)]: "bytes",
          [bytesKey(name, "snapshot", true)]: "bytes",
          [manifestKey(name)]: "manifest",
          [proofKey(manifestKey(name), name.takenAt)]: "proof",
        };
        for (const [key, part] of Object.entries(keys)) {
          expect(parseKey(key)).toEqual({ ...name, part, pinned: false });
          expect(parseKey(pinnedKey(key))).toEqual({ ...name, part, pinned: true });
          expect([ownKey(key), ownKey(pinnedKey(key))]).toEqual([key, key]);
        }
        const proof = proofKey(manifestKey(name), 0);
        expect(proof.startsWith(proofPrefix(manifestKey(name)))).toBe(true);
      }),
    );
  });

  it("are of nobody else", () => {
    for (const key of [
      "",
      "daily/shop",
      "log/shop/x",
      "pinned/pinned/daily/shop/20261121T000000Z-0123456789ab.json",
      "pinned/shop/20261121T000000Z-0123456789ab.json",
      "nightly/shop/20261121T000000Z-0123456789ab.json",
      "daily/shop/20269921T000000Z-0123456789ab.json",
      "daily/shop/20261121T000000Z-0123456789ab.json.age",
      "daily/shop/20260231T000000Z-0123456789ab.json",
      `daily/${"a".repeat(65)}/20261121T000000Z-0123456789ab.json`,
    ])
      expect(parseKey(key), key).toBeUndefined();
  });
});

describe("keys of the log", () => {
  it("come back from what they were made of", () => {
    const txid = fc.integer({ min: 1, max: 2 ** 40 });
    const segment = fc.record({
      database: backupName.map(({ database }) => database),
      lineage: fc.stringMatching(/^\d{8}T\d{6}Z-[0-9a-z]{12}$/),
      level: fc.integer({ min: 0, max: 9 }),
      minTxid: txid,
      maxTxid: txid,
    });
    fc.assert(
      fc.property(segment, (name) => {
        expect(parseSegmentKey(segmentKey(name))).toEqual(name);
      }),
    );
  });
});

describe("links", () => {
  const grant = fc.tuple(
    backupName,
    fc.constantFrom(...FORMATS),
    fc.stringMatching(/^[0-9a-z]{12}$/),
    fc.integer({ min: 1, max: 2 ** 40 }),
  );
  const parts = (path: string) => path.split("/").slice(2) as [string, string];

  it("open what they were made for, with the key that signed them", () => {
    fc.assert(
      fc.property(grant, ([backup, format, id, expires]) => {
        const made = grantFor(backup, format, id, expires);
        expect(readLink(...parts(linkPath(made, "key")), ["other", "key"])).toEqual(made);
        expect(readLink(...parts(linkPath(made, "key")), ["other"])).toBeUndefined();
      }),
    );
  });

  it("open nothing when one character is changed anywhere", () => {
    fc.assert(
      fc.property(
        grant,
        fc.nat(),
        fc.constantFrom(..."az09-_.AZ"),
        ([backup, format, id, expires], place, char) => {
          const path = linkPath(grantFor(backup, format, id, expires), "key");
          const at = 3 + (place % (path.length - 3));
          const changed = path.slice(0, at) + char + path.slice(at + 1);
          fc.pre(changed !== path);
          expect(readLink(...parts(changed), ["key"])).toBeUndefined();
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("ranges", () => {
  it.each([
    [null, "whole"],
    ["bytes=0-9", { offset: 0, length: 10 }],
    ["bytes=90-", { offset: 90, length: 10 }],
    ["bytes=-10", { offset: 90, length: 10 }],
    ["bytes=-1000", { offset: 0, length: 100 }],
    ["bytes=50-1000", { offset: 50, length: 50 }],
    ["bytes=100-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=9-5", "whole"],
    ["bytes=0-1,5-6", "whole"],
    ["items=0-1", "whole"],
    ["bytes=-", "whole"],
  ])("%s of 100 bytes", (header, wanted) => {
    expect(parseRange(header, 100)).toEqual(wanted);
  });
});
