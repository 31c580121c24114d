import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  finding,
  integrityCheck,
  type MadeDatabase,
  makeDatabase,
  pageOf,
  ROWS,
} from "../../support/audited.ts";

/** A database of some 50 pages with trees of two levels, overflow, an index and free pages. */
const SQL = `
  CREATE TABLE gone (id INTEGER PRIMARY KEY, v);
  CREATE TABLE small (id INTEGER PRIMARY KEY, v); CREATE INDEX by_v ON small (v);
  CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
  CREATE TABLE large (id INTEGER PRIMARY KEY, v); CREATE TABLE other (id INTEGER PRIMARY KEY, v);
  INSERT INTO gone ${ROWS(400)} SELECT i, hex(i * 7919) FROM n;
  INSERT INTO small ${ROWS(300)} SELECT i, 'v' || hex(i) || 'abcdefgh' FROM n;
  INSERT INTO keyed ${ROWS(200)} SELECT 'key' || (1000 + i), i FROM n;
  INSERT INTO large ${ROWS(4)} SELECT i, zeroblob(i * 1500) FROM n;
  INSERT INTO other ${ROWS(300)} SELECT i, 'in the other ' || i FROM n; DROP TABLE gone;`;

/**
 * Messages of integrity_check about the contents of rows, which the audit cannot see: it knows no collation,
 * so it does not check the order of an index's keys, and it does not compare indexes with tables.
 */
const OF_ROWS = [
  /^row \d+ missing from index by_v$/, // a page of an index is in another's place
  /^wrong # of entries in index by_v$/,
  /^row not in PRIMARY KEY order for keyed$/, // the same in a table WITHOUT ROWID
];
/** Its messages when a record's header does not fit its bytes, or the schema's SQL does not parse. */
const OF_RECORDS = [
  ...OF_ROWS,
  /^database disk image is malformed$/,
  /^Error: database disk image is malformed$/,
  /^Error: malformed database schema/,
];

let dir: string;
let checked: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-audit-sweep-"));
  checked = join(dir, "checked.db");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Counts the damaged files that both find wrong, neither does, or only one does. */
class Tally {
  both = 0;
  neither = 0;
  /** Findings of SQLite alone that are not in `blind`. */
  readonly missed: string[] = [];
  onlySqlite = 0;
  /** Findings of the audit alone. */
  readonly alone: string[] = [];

  async compare(made: MadeDatabase, name: string, file: Uint8Array, blind: RegExp[]) {
    const ours = await finding(made, file);
    const theirs = integrityCheck(checked, file);
    if (ours !== undefined && theirs.length > 0) this.both++;
    else if (ours !== undefined) this.alone.push(`${name}: ${ours}`);
    else if (theirs.length === 0) this.neither++;
    else {
      this.onlySqlite++;
      const other = theirs.filter((line) => !blind.some((known) => known.test(line)));
      this.missed.push(...other.map((line) => `${name}: ${line}`));
    }
  }
}

/** Wipe each page, exchange each two, write each over each other. */
function* displaced(made: MadeDatabase): Iterable<[string, Uint8Array]> {
  const put = (file: Uint8Array, from: number, to: number) =>
    pageOf(made, to, file).set(pageOf(made, from));
  for (let one = 1; one <= made.pageCount; one++) {
    const wiped = made.file.slice();
    pageOf(made, one, wiped).fill(0);
    yield [`${one} wiped`, wiped];
    for (let other = 1; other <= made.pageCount; other++) {
      if (one === other) continue;
      const file = made.file.slice();
      put(file, one, other);
      yield [`${one} in the place of ${other}`, file.slice()];
      put(file, other, one);
      if (one < other) yield [`${one} and ${other} exchanged`, file];
    }
  }
}

describe("the audit finds what SQLite's integrity_check finds about pages", () => {
  for (const vacuum of ["NONE", "FULL", "INCREMENTAL"])
    it(`when any page is in another's place, with auto_vacuum = ${vacuum}`, async () => {
      const sql = `PRAGMA auto_vacuum = ${vacuum}; ${SQL}`;
      const made = await makeDatabase(join(dir, `${vacuum}.db`), 1024, sql);
      const tally = new Tally();
      for (const [name, file] of displaced(made)) await tally.compare(made, name, file, OF_ROWS);
      expect(tally.missed).toEqual([]);
      expect(tally.alone).toEqual([]);
      expect(tally.both).toBeGreaterThan(2000);
      expect(tally.onlySqlite).toBeLessThan(200);
    });

  it("when one byte is another", async () => {
    const made = await makeDatabase(join(dir, "bytes.db"), 1024, SQL);
    const tally = new Tally();
    let state = 1;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let turn = 0; turn < 3000; turn++) {
      const file = made.file.slice();
      // Two of three near the beginning of a page, where its structure is.
      const within = random(3) === 0 ? random(1024) : random(60);
      const pgno = 1 + random(made.pageCount);
      pageOf(made, pgno, file)[within]! ^= 1 + random(255);
      await tally.compare(made, `byte ${within} of page ${pgno}`, file, OF_RECORDS);
    }
    expect(tally.missed).toEqual([]);
    // SQLite is less strict with header fields that it does not need.
    expect(tally.alone.filter((one) => !one.includes("Page 1: the header"))).toEqual([]);
    expect(tally.both).toBeGreaterThan(800);
  });
});
