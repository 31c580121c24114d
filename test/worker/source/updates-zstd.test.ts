import { Buffer } from "node:buffer";
import { constants, zstdCompressSync } from "node:zlib";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { newestBackup } from "../../../src/catalog/backups.ts";
import { type Deps, systemDeps } from "../../../src/core/deps.ts";
import { askForUpdates } from "../../../src/source/updates/request.ts";
import { updatesSource } from "../../../src/source/updates/updates.ts";
import { apiOf } from "../../support/api.ts";
import { backUp, manualRun, testContext } from "../../support/context.ts";
import { Replica } from "../../support/sync-client.ts";
import { tellStock, TursoDatabase } from "../../support/turso-database.ts";

/*
 * No public server compresses pages, and no public client reads such pages: answers of a real tursodb are
 * compressed on their way, in the form that the protocol's messages describe.
 */

type Compress = (page: Uint8Array) => Uint8Array;

const checked: Compress = (page) =>
  zstdCompressSync(page, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
/** PageSetZstdEncodingProto { level = 1 } */
const LEVEL = [8, 3];

/** Split an answer into its messages. */
function messagesOf(answer: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(answer);
  const messages: Uint8Array[] = [];
  while (reader.pos < reader.len) messages.push(reader.bytes());
  return messages;
}

/** Join messages as an answer has them. */
function answerOf(messages: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  for (const message of messages) writer.bytes(message);
  return new Uint8Array(writer.finish());
}

/** Return an answer with its pages compressed. */
function compressed(
  answer: Uint8Array,
  compress: Compress,
  encoding: readonly number[] = LEVEL,
  keepRaw = false,
): Uint8Array<ArrayBuffer> {
  const [head, ...pages] = messagesOf(answer);
  const at = Buffer.from(head!).lastIndexOf(Buffer.from([0x1a, 0])); // raw_encoding = 3
  if (at === -1) throw new Error("the answer does not say that its pages are raw");
  const zstd = [0x22, encoding.length, ...encoding];
  const rest = [...head!.subarray(0, keepRaw ? at + 2 : at), ...zstd, ...head!.subarray(at + 2)];
  return answerOf([new Uint8Array(rest), ...pages.map((page) => pageWith(page, compress))]);
}

function pageWith(message: Uint8Array, compress: Compress): Uint8Array {
  const reader = new BinaryReader(message);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [field] = reader.tag();
    if (field === 1) writer.tag(1, WireType.Varint).uint64(reader.uint64());
    else writer.tag(2, WireType.LengthDelimited).bytes(compress(reader.bytes()));
  }
  return writer.finish();
}

/** A way to a server whose answers with pages are changed. */
function through(change: (answer: Uint8Array) => Uint8Array<ArrayBuffer>): Deps {
  return {
    ...systemDeps,
    sleep: () => Promise.resolve(),
    async fetch(url, init) {
      const answer = await systemDeps.fetch(url, init);
      if (!url.endsWith("/pull-updates") || answer.status !== 200) return answer;
      return new Response(change(await answer.bytes()));
    },
  };
}

async function pulled(database: TursoDatabase, deps: Deps, replica = new Replica(updatesSource)) {
  const { commits, error } = await replica.pull(database.source, deps);
  return { replica, commits, code: error?.code, message: error?.message };
}

/** Answer every request in the same way. */
function always(answer: Uint8Array<ArrayBuffer>): Deps {
  return {
    ...systemDeps,
    sleep: () => Promise.resolve(),
    fetch: () => Promise.resolve(new Response(answer)),
  };
}

/** Record what a server says of a whole small database. */
async function recorded(): Promise<{ database: TursoDatabase; answer: Uint8Array }> {
  const database = await small();
  let answer: Uint8Array = new Uint8Array();
  const deps = through((plain) => {
    answer = plain;
    return new Uint8Array(plain);
  });
  await pulled(database, deps);
  return { database, answer };
}

async function small(): Promise<TursoDatabase> {
  const database = await TursoDatabase.create();
  await database.exec(
    "CREATE TABLE items (id INTEGER PRIMARY KEY, data)",
    "INSERT INTO items(data) VALUES ('one'), (hex(randomblob(300)))",
  );
  return database;
}

describe("an answer with compressed pages", () => {
  it("brings the whole database, then what changed, as one with plain pages does", async () => {
    const database = await TursoDatabase.create();
    await database.write("items", 1500);
    for (const compress of [
      checked,
      (page: Uint8Array) => zstdCompressSync(page),
      // As a stream would, whose size nobody knows: with a window, in two blocks.
      (page: Uint8Array) =>
        new Uint8Array([...FRAME, ...stored(page, 0, 1000, 0), ...stored(page, 1000, 4096, 1)]),
    ]) {
      const plain = new Replica(updatesSource);
      await plain.pull(database.source);
      const deps = through((answer) => compressed(answer, compress));
      const { replica, commits, code } = await pulled(database, deps);
      expect({ code, commits: commits.length }).toEqual({ code: undefined, commits: 1 });
      expect(Buffer.compare(replica.image(), plain.image())).toBe(0);
      await database.exec("UPDATE items SET data = 'new' WHERE id IN (1, 77)");
      await plain.pull(database.source);
      expect(await pulled(database, deps, replica)).toMatchObject({ code: undefined });
      expect(Buffer.compare(replica.image(), plain.image())).toBe(0);
    }
    await database.remove();
  });

  it("makes a backup that comes back equal", async () => {
    const database = await small();
    const { fetch } = through((answer) => compressed(answer, checked));
    const context = testContext({ packed: { url: database.source.url } }, { fetch });
    expect(await backUp(context, manualRun("packed"))).toMatchObject({ state: "done" });
    const { id, manifest } = (await newestBackup(context.catalog, "packed"))!;
    expect(manifest.snapshot!.method).toMatchObject({ protocol: "pull-updates" });
    expect(manifest.snapshot!.spotCheck).toMatchObject({ why: null });
    const api = apiOf(context);
    const { url } = await api.json(`/v1/backups/${id}/links`, { format: "db" });
    expect(await tellStock({ file: await api.bytes(url) })).toEqual(await database.tell());
    await database.remove();
  });

  it("is refused wherever it is cut", async () => {
    const { database, answer } = await recorded();
    const whole = compressed(answer, checked);
    expect((await pulled(database, always(whole))).code).toBeUndefined();
    for (let end = 0; end < whole.length; end++) {
      const { commits, code } = await pulled(database, always(whole.subarray(0, end)));
      expect({ end, commits, known: KNOWN.has(code!) }).toEqual({ end, commits: [], known: true });
    }
    await database.remove();
  });

  it("is refused if one page is cut anywhere, and all around it is whole", async () => {
    const { database, answer } = await recorded();
    const { length: pages } = messagesOf(answer).slice(1);
    let cuts = 0;
    for (let cut = 0; cut < pages; cut++)
      for (let end = 0, more = true; more; end++) {
        let at = 0;
        const spoiled = compressed(answer, (page) => {
          const frame = checked(page);
          if (at++ !== cut) return frame;
          more = end + 1 < frame.length;
          return frame.subarray(0, end);
        });
        const { commits, code } = await pulled(database, always(spoiled));
        expect({ cut, end, commits, code }).toEqual({
          cut,
          end,
          commits: [],
          code: "PAGES_INVALID",
        });
        cuts++;
      }
    expect(cuts).toBeGreaterThan(300);
    await database.remove();
  });

  it.each<[string, Compress, string]>([
    ["of one byte more", (page) => checked(Buffer.concat([page, Buffer.alloc(1)])), "no sense"],
    ["of one byte less", (page) => checked(page.subarray(1)), "4095 bytes"],
    ["of no byte", () => checked(Buffer.alloc(0)), "0 bytes"],
    ["of 100 MB in some KB", () => BOMB, "no sense"],
    ["with a window of 128 MB", (page) => windowed(page, 27), "no sense"],
    ["with a checksum of other bytes", (page) => flipped(checked(page)), "no sense"],
    [
      "that names a dictionary",
      () => new Uint8Array([40, 181, 47, 253, 0x21, 7, 0, 1, 0, 0]),
      "no sense",
    ],
    ["that is not compressed", (page) => page, "no sense"],
  ])("is refused for a page %s", async (_what, compress, words) => {
    const database = await small();
    const { commits, code, message } = await pulled(
      database,
      through((answer) => compressed(answer, compress)),
    );
    expect({ commits, code }).toEqual({ commits: [], code: "PAGES_INVALID" });
    expect(message).toContain(words);
    await database.remove();
  });

  it("is refused if it needs pages as a dictionary, or says both of its pages", async () => {
    const database = await small();
    for (const dictionary of [
      [...LEVEL, 0x12, 1, 0],
      [...LEVEL, 0x10, 0],
    ]) {
      const deps = through((answer) => compressed(answer, checked, dictionary));
      const { commits, code, message } = await pulled(database, deps);
      expect({ commits, code }).toEqual({ commits: [], code: "PAGES_INVALID" });
      expect(message).toContain("dictionary");
      const name = `dictionary-${dictionary.length}`;
      const context = testContext({ [name]: { url: database.source.url } }, { fetch: deps.fetch });
      expect(await backUp(context, manualRun(name))).toMatchObject({ state: "done" });
      const { manifest } = (await newestBackup(context.catalog, name))!;
      const why = expect.stringContaining("dictionary") as string;
      expect(manifest.method).toMatchObject({ protocol: "rows", why });
    }
    const deps = through((answer) => compressed(answer, checked, LEVEL, true));
    const { commits, code, message } = await pulled(database, deps);
    expect({ commits, code }).toEqual({ commits: [], code: "PAGES_INVALID" });
    expect(message).toContain("compressed, and that they are not");
    await database.remove();
  });

  it("is decoded a few pages at a time, however small it is", async () => {
    const database = await TursoDatabase.create();
    await database.exec(
      "CREATE TABLE zeros(a)",
      ...Array.from({ length: 4 }, () => "INSERT INTO zeros VALUES (zeroblob(1000000))"),
    );
    const deps = through((answer) => compressed(answer, checked));
    const updates = await askForUpdates(database.source, deps, {});
    let count = 0;
    for await (const pages of updates.pages()) {
      expect(pages.length).toBeLessThanOrEqual(64);
      count += pages.length;
    }
    updates.end();
    expect(count).toBe(updates.head.pageCount);
    await database.remove();
  });
});

const KNOWN = new Set(["SOURCE_CUT", "PAGES_INVALID", "PAGES_INCOMPLETE"]);
/** The magic number of a frame (RFC 8878), with a window of 1 MiB and neither size nor checksum. */
const FRAME = [40, 181, 47, 253, 0, (20 - 10) << 3];
const BOMB = checked(Buffer.alloc(100_000_000));

/** Return a block of a frame that is not compressed. */
function stored(page: Uint8Array, from: number, to: number, last: 0 | 1): number[] {
  const head = last | ((to - from) << 3);
  return [head & 255, (head >> 8) & 255, head >> 16, ...page.subarray(from, to)];
}

function windowed(page: Uint8Array, bits: number): Uint8Array {
  return new Uint8Array([40, 181, 47, 253, 0, (bits - 10) << 3, ...stored(page, 0, 4096, 1)]);
}

function flipped(frame: Uint8Array): Uint8Array {
  const other = frame.slice();
  other[other.length - 1]! ^= 1;
  return other;
}
