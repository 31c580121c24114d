import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refuseForeign } from "../../../src/cli/files/check-file.ts";
import { databasePages } from "../../../src/format/pages/database-file.ts";
import { emptyDatabase, readDatabaseHeader } from "../../../src/format/pages/database-header.ts";
import { WalTransaction } from "../../../src/format/wal/transaction.ts";

const golden = (name: string) =>
  readFile(join(import.meta.dirname, "../../golden/turso-0.6.0", name));
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nightjar-foreign-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function file(page: Uint8Array): Promise<void> {
  const pages = (async function* () {
    yield [{ pgno: 1, data: page }];
  })();
  for await (const batch of databasePages(pages, 4096, 1).pages) void batch;
}

describe("a database that SQLite could not open as it is", () => {
  for (const [name, code] of [
    ["mvcc.db", "SOURCE_MVCC"],
    ["encrypted.db", "SOURCE_ENCRYPTED"],
  ] as const)
    it(`is refused at its first page: ${name} of Turso's engine`, async () => {
      const page = (await golden(name)).subarray(0, 4096);
      expect(() => readDatabaseHeader(page)).toThrow(expect.objectContaining({ code }));
      await expect(file(page)).rejects.toMatchObject({ code });
      const frame = { pgno: 1, data: page };
      expect(() => new WalTransaction(4096).add(frame, null)).toThrow(
        expect.objectContaining({ code }),
      );
      const path = join(dir, name);
      await writeFile(path, page);
      expect(() => refuseForeign(path)).toThrow(expect.objectContaining({ code }));
    });

  it("is refused for any other file format version, and for no other byte of SQLite's", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), (write, read) => {
        const page = emptyDatabase(4096);
        page.set([write, read], 18);
        const known = [write, read].every((version) => version === 1 || version === 2);
        const code = [write, read].includes(255) ? "SOURCE_MVCC" : "PAGES_INVALID";
        if (known) expect(readDatabaseHeader(page).pageSize).toBe(4096);
        else expect(() => readDatabaseHeader(page)).toThrow(expect.objectContaining({ code }));
      }),
    );
  });
});
