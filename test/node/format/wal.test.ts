import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { readDatabaseHeader } from "../../../src/format/pages/database-header.ts";
import { WalChain, walFrames } from "../../../src/format/wal/wal.ts";
import { WalTransaction } from "../../../src/format/wal/transaction.ts";
import { redirectTarget } from "../../../src/source/sync/request.ts";

/** The frames of a real WAL with some transactions, and the fields of the database's header. */
function realWal(): { frames: Uint8Array; start: Uint8Array } {
  const dir = mkdtempSync(join(tmpdir(), "nightjar-wal-"));
  const db = new DatabaseSync(join(dir, "a.db"));
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t(x)");
  for (let row = 0; row < 20; row++) db.exec("INSERT INTO t VALUES (randomblob(9000))");
  const frames = new Uint8Array(readFileSync(join(dir, "a.db-wal")).subarray(32));
  const start = new Uint8Array(readFileSync(join(dir, "a.db")));
  db.close();
  rmSync(dir, { recursive: true });
  return { frames, start };
}

/** Write each frame's checksum as a machine with the other byte order would. */
function bigEndian(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes);
  const sums = new Uint32Array([7, 8]);
  for (let frame = 0; frame < buffer.length; frame += 4120) {
    const words = Buffer.concat([
      buffer.subarray(frame, frame + 8),
      buffer.subarray(frame + 24, frame + 4120),
    ]);
    for (let at = 0; at < words.length; at += 8) {
      sums[0]! += words.readUInt32BE(at) + sums[1]!;
      sums[1]! += words.readUInt32BE(at + 4) + sums[0]!;
    }
    buffer.writeUInt32BE(sums[0]!, frame + 16);
    buffer.writeUInt32BE(sums[1]!, frame + 20);
  }
  return new Uint8Array(buffer); // a Buffer's slice would share its memory
}

describe("WAL frames", () => {
  it("are told from a real WAL", () => {
    const { frames: bytes } = realWal();
    const frames = walFrames(bytes, 4096);
    expect(frames.length).toBe(bytes.length / 4120);
    expect(frames[0]).toMatchObject({ pgno: 1 });
    expect(readDatabaseHeader(frames[0]!.data).pageSize).toBe(4096);
    expect(frames.filter(({ sizeAfter }) => sizeAfter > 0).length).toBe(21);
    expect(() => walFrames(bytes.subarray(1), 4096)).toThrow("no whole number");
  });

  it("chain, in either byte order, and a flipped bit breaks the chain", () => {
    for (const order of [(bytes: Uint8Array) => bytes, bigEndian]) {
      const bytes = order(realWal().frames);
      new WalChain().follow(walFrames(bytes, 4096));
      for (let at = 4120; at < bytes.length; at += 997) {
        const spoilt = bytes.slice();
        spoilt[at]! ^= 1;
        const inSalts = at % 4120 >= 8 && at % 4120 < 16;
        const check = () => new WalChain().follow(walFrames(spoilt, 4096));
        if (!inSalts) expect(check, `byte ${at}`).toThrow("checksum");
      }
    }
  });

  it("chain over batches, however they are cut", () => {
    const frames = walFrames(realWal().frames, 4096);
    const spoilt = frames.map((frame, index) => (index === 9 ? { ...frame, pgno: 3000 } : frame));
    const whole = new WalChain();
    for (const frame of frames) whole.follow([frame]);
    const chain = new WalChain();
    chain.follow(spoilt.slice(0, 9));
    expect(() => chain.follow(spoilt.slice(9))).toThrow("checksum");
  });

  it("do not chain where no checksum was ever kept up, nor from one WAL to the next", () => {
    const [one, other] = [realWal().frames, realWal().frames];
    const frames = walFrames(one, 4096);
    new WalChain().follow(frames.map((frame) => ({ ...frame, checksum: [0, 0] as const })));
    new WalChain().follow([...frames, ...walFrames(other, 4096)]);
    for (const salts of [
      [1, 2],
      [2, 1],
      [2, 3],
    ] as const) {
      const apart = frames.map((frame, at) => ({
        ...frame,
        salts: at < 5 ? ([1, 1] as const) : salts,
      }));
      const spoilt = apart.map((frame, at) => (at === 5 ? { ...frame, pgno: 3000 } : frame));
      new WalChain().follow(spoilt); // the first frame with other salts does not follow from anything
    }
  });
});

describe("a transaction", () => {
  const frame = (pgno: number) => ({
    pgno,
    sizeAfter: 0,
    salts: [0, 0] as const,
    checksum: [0, 0] as const,
    data: new Uint8Array(65_536),
  });
  /** Two transactions of one log, given by the pages that they write. */
  const check = (before: number | null, first: number[], after: number, second: number[] = []) => {
    const transaction = new WalTransaction(65_536);
    for (const pgno of first) transaction.add(frame(pgno), before);
    transaction.end(after, before);
    for (const pgno of second) transaction.add(frame(pgno), after);
    transaction.end(after + 2, after);
  };

  it("brings every page by which the database grows, and may bring more", () => {
    check(10, [11, 3, 12, 11], 12, [14, 13]);
    check(10, [3], 10, [11, 12]);
    check(10, [3], 5, [6, 7]); // it shrank
    check(10, [99, 11], 11, [12, 13]);
    check(null, [3], 12, [13, 14]);
    for (const [brought, missing] of [
      [[12], 11],
      [[], 11],
      [[11], 12],
      [[11, 13], 12],
    ] as const)
      expect(() => check(10, [...brought], 12)).toThrow(`without page ${missing}`);
    expect(() => check(10, [11, 12, 13, 14], 12, [])).toThrow("without page 13");
  });

  it("has no page that SQLite never writes", () => {
    const lock = 16_385; // the page at 1 GiB
    check(lock - 1, [lock + 1], lock + 1, [lock + 2, lock + 3]);
    for (const pgno of [0, lock]) expect(() => check(null, [pgno], 5)).toThrow("cannot be");
  });
});

describe("a database's header", () => {
  it("tells the page count only while it is kept up", () => {
    const { start } = realWal();
    expect(readDatabaseHeader(start)).toEqual({
      pageSize: 4096,
      pageCount: 1,
      journal: "wal",
      encoding: "UTF-8",
      userVersion: 0,
    });
    start.set([0xff, 0xff, 0xff, 0xfe], 60);
    expect(readDatabaseHeader(start).userVersion).toBe(-2); // signed, as PRAGMA user_version is
    start[95]! ^= 1;
    expect(readDatabaseHeader(start).pageCount).toBeNull();
    expect(() => readDatabaseHeader(start.subarray(0, 50))).toThrow("no SQLite database");
    start[0]! ^= 1;
    expect(() => readDatabaseHeader(start)).toThrow("no SQLite database");
  });

  it("gives a page size that can be", () => {
    const { start } = realWal();
    const page = new DataView(start.buffer, start.byteOffset);
    for (const [field, size] of [
      [512, 512],
      [32_768, 32_768],
      [1, 65_536],
    ] as const) {
      page.setUint16(16, field);
      expect(readDatabaseHeader(start).pageSize).toBe(size);
    }
    for (const field of [0, 2, 256, 4097, 6144]) {
      page.setUint16(16, field);
      expect(() => readDatabaseHeader(start)).toThrow("page size");
    }
  });
});

describe("a redirect that takes the token along", () => {
  const from = "https://db-me.turso.io/info";
  it.each([
    ["/v2/info", "https://db-me.turso.io/v2/info"],
    ["https://db-me.turso.io/x", "https://db-me.turso.io/x"],
    ["https://eu.db-me.turso.io/x", "https://eu.db-me.turso.io/x"],
    ["https://db-me.aws-eu.turso.io/x", "https://db-me.aws-eu.turso.io/x"],
    ["http://db-me.turso.io/x", null],
    ["https://db-me.turso.io:444/x", null],
    ["https://turso.io.evil.example/x", null],
    ["https://evilturso.io/x", null],
    ["https://evil-db-me.example/x", null],
    ["//evil.example/x", null],
    ["https://", null],
    [null, null],
  ])("to %s leads to %s", (location, target) => {
    expect(redirectTarget(from, location)).toBe(target);
  });

  it("leads from another's host to no stranger of the same site", () => {
    expect(redirectTarget("https://a.example.com/", "https://b.example.com/")).toBeNull();
    expect(redirectTarget("https://example.com/", "https://b.example.com/")).not.toBeNull();
    expect(redirectTarget("https://a.example.com/", "https://b.turso.io/")).toBeNull();
    expect(redirectTarget("https://example.com/", "https://evilexample.com/")).toBeNull();
  });
});
