import fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "../../../scripts/lib/paths.ts";
import { NightjarError } from "../../../src/errors/errors.ts";
import { macKeyOf, macOf, originOf } from "../../../src/format/bytes/object-mac.ts";
import { parseErasure } from "../../../src/model/parse-erasure.ts";
import { parseManifest } from "../../../src/model/parse-manifest.ts";
import { parsePageCursor } from "../../../src/model/parse-page-cursor.ts";
import { parseProof } from "../../../src/model/parse-proof.ts";
import { parseSegment, parseSegmentDocument } from "../../../src/model/parse-segment-note.ts";
import { manifestText } from "../../../src/store/document.ts";
import { placeOf } from "../../../src/store/keys.ts";

const FOLDER = join(ROOT, "test/golden/format-1");
const STEM = "milestone/golden/20261121T111059Z-ypvy8cpebxpg";
const golden = (key: string) => readFileSync(join(FOLDER, key.replaceAll("/", "_")), "utf8");
const KEY = `${STEM}.json`;
const MANIFEST = golden(KEY);
const PROOF_KEY = `${STEM}.proof-20261121T111059Z.json`;
const PROOF = golden(PROOF_KEY);
const PROOF_PLACE = { key: PROOF_KEY, own: PROOF_KEY, database: "golden", id: "ypvy8cpebxpg" };

const manifest = (json: string, key = KEY) => parseManifest(json, placeOf(key));

/** Replace the value of one field, addressed by a path with dots. */
function changed(json: string, path: string, value: unknown): string {
  const whole = JSON.parse(json) as Record<string, any>;
  const names = path.split(".");
  const last = names.pop()!;
  const at = names.reduce((object, name) => object[name], whole);
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(whole);
}

const refused = (read: () => unknown) => {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(NightjarError);
    return error as NightjarError;
  }
  throw new Error("it was not refused");
};

describe("a manifest", () => {
  it("of version 1 is read, and its text can be made again", () => {
    expect(manifestText(manifest(MANIFEST))).toBe(MANIFEST);
    const other = "milestone/golden-dump/20261121T111100Z-hsar0w6z9s6v.json";
    expect(manifestText(manifest(golden(other), other))).toBe(golden(other));
  });

  it.each([
    ["takenAt", null],
    ["takenAt", "yesterday"],
    ["takenAt", "2026-11-21T11:10:58.000Z"],
    ["id", "000000000000"],
    ["database", "../golden"],
    ["database", "golden-2"],
    ["tier", "daily"],
    ["tier", "forever"],
    ["key", "daily/other/20261121T111059Z-ypvy8cpebxpg.db.zst"],
    ["key", `${STEM}.sql.zst`],
    ["key", `pinned/${STEM}.db.zst`],
    ["manifestKey", `pinned/${KEY}`],
    ["pin", { by: "user", reason: "mine", at: "2026-11-21T11:10:58.000Z" }],
    ["raw.bytes", -1],
    ["raw.bytes", 1.5],
    ["raw.bytes", "12"],
    ["stored.sha256", "00"],
    ["stored", undefined],
    ["snapshot", null],
    ["snapshot.pageSize", 1000],
    ["snapshot.pageCount", 0],
    ["snapshot.cursor", { protocol: "other" }],
    ["tables", {}],
    ["tables", [{ name: 1, rows: 2 }]],
    ["rows", null],
    ["runId", ""],
    ["runId", undefined],
    ["run", null],
    ["labels", { a: 1 }],
    ["kind", "dump"],
  ])("with %s %j is refused", (path, value) => {
    const error = refused(() => manifest(changed(MANIFEST, path, value)));
    expect(error.code).toBe("OBJECT_CORRUPT");
    expect(error.message).toContain(KEY);
  });

  it("of a newer format is refused with what to do", () => {
    const error = refused(() => manifest(changed(MANIFEST, "format", 2)));
    expect(error.message).toContain("format 2");
    expect(error.hint).toContain("newer Nightjar");
  });

  it("that is any JSON or none is refused, and nothing else is thrown", () => {
    for (const text of ["", "{", "null", "[]", "1", '"x"'])
      expect(refused(() => manifest(text)).code).toBe("OBJECT_CORRUPT");
    fc.assert(
      fc.property(fc.json(), (text) => refused(() => manifest(text)).code === "OBJECT_CORRUPT"),
    );
    const paths = Object.keys(JSON.parse(MANIFEST) as object);
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
        try {
          manifest(changed(MANIFEST, path, value));
        } catch (error) {
          expect((error as NightjarError).code).toBe("OBJECT_CORRUPT");
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("a proof", () => {
  it("of version 1 is read, and as the copy that was pinned", () => {
    expect(parseProof(PROOF, PROOF_PLACE)).toEqual(JSON.parse(PROOF));
    parseProof(PROOF, { ...PROOF_PLACE, key: `pinned/${PROOF_KEY}` });
  });

  it.each([
    ["backup", "000000000000"],
    ["database", "other"],
    ["outcome", "perfect"],
    ["outcome", "corrupt"], // without a problem
    ["proofKey", KEY],
    ["checks", null],
    ["finishedAt", null],
    ["recoveryMs", "1"],
  ])("with %s %j is refused", (path, value) => {
    const error = refused(() => parseProof(changed(PROOF, path, value), PROOF_PLACE));
    expect(error.code).toBe("OBJECT_CORRUPT");
  });
});

const LINEAGE = "20261121T111100Z-kkwrvs86rb2y";
const SEGMENT = {
  ...{ lineage: LINEAGE, database: "golden", level: 0, minTxid: 2, maxTxid: 2 },
  key: `log/golden/${LINEAGE}/ltx/0/0000000000000002-0000000000000002.ltx`,
};
const OLDER = { ...SEGMENT, at: 1, pageCount: 2, pages: 1, bytes: 100, createdAt: 2 };
const NOTED = { ...OLDER, uncertainty: 5, clockOffset: -3 };

describe("a segment's note", () => {
  it("is what its key says, or refused", () => {
    expect(parseSegment(JSON.stringify(NOTED), SEGMENT)).toEqual(NOTED);
    const undated = { ...OLDER, uncertainty: null, clockOffset: null };
    expect(parseSegment(JSON.stringify(OLDER), SEGMENT)).toEqual(undated);
    for (const change of [
      ...[{ maxTxid: 3 }, { minTxid: 1 }, { level: 9 }, { database: "other" }, { bytes: -1 }],
      ...[{ key: SEGMENT.key.replace("/0/", "/1/") }, { at: null }, { pageCount: 2 ** 40 }],
    ]) {
      const json = JSON.stringify({ ...NOTED, ...change });
      expect(refused(() => parseSegment(json, SEGMENT)).code).toBe("OBJECT_CORRUPT");
    }
  });

  it("in an object of its own has a hash and a cursor", () => {
    const document = { format: 1, segment: NOTED, cursor: null, sha256: "0".repeat(64) };
    expect(parseSegmentDocument(JSON.stringify(document), SEGMENT)).toEqual(document);
    for (const change of [{ sha256: null }, { cursor: {} }, { format: 0 }, { segment: null }]) {
      const json = JSON.stringify({ ...document, ...change });
      expect(refused(() => parseSegmentDocument(json, SEGMENT)).code).toBe("OBJECT_CORRUPT");
    }
  });

  it("has a cursor of a protocol that is known", () => {
    const cursor = { protocol: "sync", generation: 1, frame: 2 };
    expect(parsePageCursor(JSON.stringify(cursor), "k")).toEqual(cursor);
    for (const change of [{ frame: -1 }, { protocol: "x" }, { generation: "1" }])
      refused(() => parsePageCursor(JSON.stringify({ ...cursor, ...change }), "k"));
  });
});

it("an entry of an erasure list is the one of its key, or refused", () => {
  const key = "erasures/shop/20261121T000000Z-00000000000a.json";
  const entry = {
    ...{ format: 1, id: "00000000000a", database: "shop", table: "t", column: "c" },
    ...{ salt: "s", keyHash: "h", at: "2026-11-21T00:00:00.000Z", who: "dpo" },
  };
  expect(parseErasure(JSON.stringify(entry), key)).toEqual(entry);
  for (const change of [{ id: "00000000000b" }, { database: "x" }, { at: null }, { table: 1 }])
    refused(() => parseErasure(JSON.stringify({ ...entry, ...change }), key));
});

describe("a MAC", () => {
  it("holds for one key, one content and one note under one SIGNING_KEY", () => {
    const macKey = macKeyOf("a secret");
    const note = { segment: "{}", cursor: "{}", sha256: "00" };
    const signed = { ...note, mac: macOf(macKey, "key", "00", note) };
    expect(originOf(macKey, "key", "00", signed)).toBe("ours");
    expect(originOf(macKey, "other", "00", signed)).toBe("other");
    expect(originOf(macKey, "key", "01", signed)).toBe("other");
    expect(originOf(macKey, "key", "00", { ...signed, cursor: "{ }" })).toBe("other");
    expect(originOf(macKey, "key", "00", { ...signed, more: "" })).toBe("other");
    expect(originOf(macKeyOf("another"), "key", "00", signed)).toBe("other");
    expect(originOf(macKey, "key", "00", { ...signed, mac: "" })).toBe("other");
    expect(originOf(macKey, "key", "00", note)).toBe("unsigned");
  });
});
