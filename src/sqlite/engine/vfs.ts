import { copyOf } from "../../format/bytes/bytes.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";

/** SQLite's codes (https://sqlite.org/rescode.html) and flags that a file system answers with. */
const OK = 0;
const IOERR_READ = 266;
const IOERR_SHORT_READ = 522;
const READONLY = 8;
const CANTOPEN = 14;
const NOTFOUND = 12;
const OPEN_READONLY = 1;
const OPEN_MAIN_DB = 0x100;
const IOCAP_IMMUTABLE = 0x2000;

/** A result that is available at once: asyncify then does not suspend the call that waits for it. */
export interface Settled {
  then(use: (code: number) => void): void;
}
// oxlint-disable-next-line unicorn/no-thenable -- it is never awaited
export const settled = (code: number): Settled => ({ then: (use) => use(code) });

/** The part of the wasm instance that the file system needs: its memory, which may move whenever it grows. */
export interface Memory {
  readonly HEAPU8: Uint8Array;
}

/**
 * A file system with one file, the database, read page by page and never changed
 * (https://sqlite.org/vfs.html). While `patching`, written pages are kept in memory and shadow the
 * stored ones: see patch.ts.
 */
export class PageFile {
  readonly name = "pages";
  readonly mxPathname = 64;
  /** The reason why the last read failed, which SQLite reports only as "disk I/O error". */
  failure: NightjarError | undefined;
  /** Pages read from the reader so far. */
  reads = 0;
  patching = false;
  #pages: PageReader;
  readonly #memory: Memory;
  readonly #written = new Map<number, Uint8Array>();
  #first: Uint8Array | undefined;

  readonly #readsPerPause: number;
  readonly #pause: () => Promise<void>;

  /** @param pause is awaited once in `readsPerPause` reads */
  constructor(
    pages: PageReader,
    memory: Memory,
    readsPerPause: number,
    pause: () => Promise<void>,
  ) {
    this.#pages = pages;
    this.#memory = memory;
    this.#readsPerPause = readsPerPause;
    this.#pause = pause;
  }

  /** Read other pages from now on, of a database that is closed. */
  replace(pages: PageReader): void {
    this.#pages = pages;
    this.#first = undefined;
    this.#written.clear();
    this.failure = undefined;
  }

  hasAsyncMethod(method: string): boolean {
    return method === "xRead";
  }

  xOpen(_vfs: number, _name: number, _file: number, flags: number, outFlags: number): number {
    // Temporary files stay in memory (PRAGMA temp_store), and there is no journal and no WAL.
    if ((flags & OPEN_MAIN_DB) === 0) return CANTOPEN;
    this.#int32(outFlags, this.patching ? flags : (flags & ~7) | OPEN_READONLY);
    return OK;
  }

  xRead(
    _file: number,
    to: number,
    amount: number,
    low: number,
    high: number,
  ): Promise<number> | Settled {
    const { pageSize, pageCount } = this.#pages;
    const offset = high * 0x1_0000_0000 + (low >>> 0);
    const pgno = Math.floor(offset / pageSize) + 1;
    const within = offset % pageSize;
    if (pgno > pageCount && !this.#written.has(pgno)) {
      this.#memory.HEAPU8.fill(0, to, to + amount);
      return settled(IOERR_SHORT_READ);
    }
    const give = (page: Uint8Array): number => {
      if (page.length !== pageSize)
        throw new NightjarError(
          "OBJECT_CORRUPT",
          `Page ${pgno} has ${page.length} bytes, not ${pageSize}.`,
        );
      this.#memory.HEAPU8.set(page.subarray(within, within + amount), to);
      return OK;
    };
    const known = this.#written.get(pgno) ?? (pgno === 1 ? this.#first : undefined);
    if (known !== undefined) return settled(give(known));
    if (++this.reads % this.#readsPerPause !== 0) return this.#read(pgno, give);
    return this.#pause().then(async () => this.#read(pgno, give));
  }

  xWrite(_file: number, from: number, amount: number, low: number, high: number): number {
    if (!this.patching) return READONLY;
    const offset = high * 0x1_0000_0000 + (low >>> 0);
    const pgno = Math.floor(offset / this.#pages.pageSize) + 1;
    this.#written.set(pgno, this.#memory.HEAPU8.slice(from, from + amount));
    return OK;
  }

  xFileSize(_file: number, out: number): number {
    let last = this.#pages.pageCount;
    for (const pgno of this.#written.keys()) if (pgno > last) last = pgno;
    const bytes = BigInt(last * this.#pages.pageSize);
    this.#int32(out, Number(bytes & 0xffff_ffffn));
    this.#int32(out + 4, Number(bytes >> 32n));
    return OK;
  }

  xAccess(_vfs: number, _name: number, _flags: number, out: number): number {
    this.#int32(out, 0); // neither journal nor WAL
    return OK;
  }

  xFullPathname(_vfs: number, name: number, room: number, out: number): number {
    const memory = this.#memory.HEAPU8;
    memory.copyWithin(out, name, Math.min(memory.indexOf(0, name) + 1, name + room));
    return OK;
  }

  xDeviceCharacteristics(): number {
    return this.patching ? 0 : IOCAP_IMMUTABLE;
  }

  xCheckReservedLock(_file: number, out: number): number {
    this.#int32(out, 0);
    return OK;
  }

  xSectorSize(): number {
    return this.#pages.pageSize;
  }

  xFileControl(): number {
    return NOTFOUND;
  }

  xClose(): number {
    return OK;
  }

  xSync(): number {
    return OK;
  }

  xTruncate(): number {
    return OK;
  }

  xLock(): number {
    return OK;
  }

  xUnlock(): number {
    return OK;
  }

  xDelete(): number {
    return OK;
  }

  #read(pgno: number, give: (page: Uint8Array) => number): Promise<number> | Settled {
    const fail = (thrown: unknown): number => {
      this.failure = asNightjarError(thrown);
      return IOERR_READ;
    };
    try {
      const code = this.#pages.usePage(pgno, (page) =>
        give(pgno === 1 ? this.#keepFirst(page) : page),
      );
      return typeof code === "number" ? settled(code) : code.catch(fail);
    } catch (thrown) {
      return settled(fail(thrown));
    }
  }

  /**
   * Keep a copy of page 1 with another journal mode. Bytes 18 and 19 say "WAL" in every libSQL database.
   * The image is complete without one, so SQLite is told of a rollback journal, which it looks for and does
   * not find.
   */
  #keepFirst(page: Uint8Array): Uint8Array {
    this.#first = copyOf(page);
    this.#first[18] = this.#first[19] = 1;
    return this.#first;
  }

  #int32(at: number, value: number): void {
    const { buffer, byteOffset } = this.#memory.HEAPU8;
    new DataView(buffer, byteOffset).setInt32(at, Number(BigInt.asIntN(32, BigInt(value))), true);
  }
}
