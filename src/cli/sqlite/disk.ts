import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { decode } from "../../format/bytes/bytes.ts";
import type { Memory } from "../../sqlite/engine/vfs.ts";

/** SQLite's codes (https://sqlite.org/rescode.html) and flags that a file system answers with. */
const OK = 0;
const NOTFOUND = 12;
const CANTOPEN = 14;
const IOERR_READ = 266;
const IOERR_SHORT_READ = 522;
const IOERR_WRITE = 778;
const IOERR_FSYNC = 1034;
const IOERR_TRUNCATE = 1546;
const IOERR_FSTAT = 1802;
const IOERR_DELETE = 2570;
const OPEN = { readOnly: 1, create: 4, deleteOnClose: 8, mainDatabase: 0x100 } as const;
const SECTOR = 4096;
/** The bytes of a database's header that tell its journal: 1 is a rollback journal, 2 a WAL. */
const JOURNAL_FROM = 18;
const JOURNAL_UNTIL = 20;

interface Opened {
  readonly path: string;
  readonly descriptor: number;
  readonly isTemporary: boolean;
  readonly isMain: boolean;
}

/**
 * The file system of this machine for SQLite in WebAssembly (https://sqlite.org/vfs.html), with only the
 * files of one database in it. It locks nothing: a file that is opened here has no name yet that another
 * program would know.
 */
export class Disk {
  readonly name = "disk";
  readonly mxPathname = 4096;
  /** The error of the last call that failed, which SQLite reports only as "disk I/O error". */
  failure: Error | undefined;
  readonly #memory: Memory;
  readonly #file: string;
  readonly #readOnly: boolean;
  readonly #known: ReadonlySet<string>;
  readonly #open = new Map<number, Opened>();
  #temporary = 0;

  /** @param copy another file that may be written */
  constructor(memory: Memory, file: string, readOnly: boolean, copy: string | undefined) {
    this.#memory = memory;
    this.#file = file;
    this.#readOnly = readOnly;
    const files = copy === undefined ? [file] : [file, copy];
    this.#known = new Set(files.flatMap((path) => [path, `${path}-journal`, `${path}-wal`]));
  }

  hasAsyncMethod(): boolean {
    return false;
  }

  /** Close and remove what SQLite has left open. */
  close(): void {
    for (const file of this.#open.keys()) this.xClose(file);
  }

  xOpen(_vfs: number, name: number, file: number, flags: number, outFlags: number): number {
    return this.#try(CANTOPEN, () => {
      const isTemporary = name === 0;
      const path = isTemporary ? `${this.#file}.temp-${++this.#temporary}` : this.#text(name);
      if (!isTemporary && !this.#known.has(path)) throw new Error(`${path} is another file`);
      const readOnly = this.#readOnly || (flags & OPEN.readOnly) !== 0;
      const creates = isTemporary || (flags & OPEN.create) !== 0;
      // "r+" fails where there is no file; "wx+" where there is one.
      const mode = readOnly ? "r" : creates && !existsSync(path) ? "wx+" : "r+";
      const descriptor = openSync(path, isTemporary ? "wx+" : mode, 0o600);
      const isMain = path === this.#file && (flags & OPEN.mainDatabase) !== 0;
      this.#open.set(file, {
        ...{ path, descriptor, isMain },
        isTemporary: isTemporary || (flags & OPEN.deleteOnClose) !== 0,
      });
      if (outFlags !== 0) this.#int32(outFlags, readOnly ? (flags & ~7) | OPEN.readOnly : flags);
    });
  }

  xRead(file: number, to: number, amount: number, low: number, high: number): number {
    return this.#try(IOERR_READ, () => {
      const { descriptor, isMain } = this.#open.get(file)!;
      const from = offset(low, high);
      const target = this.#memory.HEAPU8.subarray(to, to + amount);
      let read = 0;
      while (read < amount) {
        const more = readSync(descriptor, target, read, amount - read, from + read);
        if (more === 0) break;
        read += more;
      }
      target.fill(0, read);
      // There is no WAL beside what is only read, and none can be made.
      if (isMain && this.#readOnly)
        for (let at = JOURNAL_FROM; at < JOURNAL_UNTIL; at++)
          if (at >= from && at < from + read && target[at - from] === 2) target[at - from] = 1;
      return read < amount ? IOERR_SHORT_READ : OK;
    });
  }

  xWrite(file: number, from: number, amount: number, low: number, high: number): number {
    return this.#try(IOERR_WRITE, () => {
      const { descriptor } = this.#open.get(file)!;
      const to = offset(low, high);
      const source = this.#memory.HEAPU8.subarray(from, from + amount);
      for (let written = 0; written < amount;)
        written += writeSync(descriptor, source, written, amount - written, to + written);
    });
  }

  xTruncate(file: number, low: number, high: number): number {
    return this.#try(IOERR_TRUNCATE, () =>
      ftruncateSync(this.#open.get(file)!.descriptor, offset(low, high)),
    );
  }

  xSync(file: number): number {
    return this.#try(IOERR_FSYNC, () => fsyncSync(this.#open.get(file)!.descriptor));
  }

  xFileSize(file: number, out: number): number {
    return this.#try(IOERR_FSTAT, () => {
      const { size } = fstatSync(this.#open.get(file)!.descriptor);
      this.#int32(out, size % 0x1_0000_0000);
      this.#int32(out + 4, Math.floor(size / 0x1_0000_0000));
    });
  }

  xClose(file: number): number {
    const opened = this.#open.get(file);
    if (opened === undefined) return OK;
    this.#open.delete(file);
    closeSync(opened.descriptor);
    if (opened.isTemporary) rmSync(opened.path, { force: true });
    return OK;
  }

  xDelete(_vfs: number, name: number): number {
    return this.#try(IOERR_DELETE, () => {
      const path = this.#text(name);
      if (!this.#known.has(path)) throw new Error(`${path} is another file`);
      rmSync(path, { force: true });
    });
  }

  xAccess(_vfs: number, name: number, _flags: number, out: number): number {
    const path = this.#text(name);
    this.#int32(out, this.#known.has(path) && existsSync(path) ? 1 : 0);
    return OK;
  }

  xFullPathname(_vfs: number, name: number, room: number, out: number): number {
    const memory = this.#memory.HEAPU8;
    const end = memory.indexOf(0, name) + 1;
    if (end - name > room) return CANTOPEN;
    memory.copyWithin(out, name, end);
    return OK;
  }

  xCheckReservedLock(_file: number, out: number): number {
    this.#int32(out, 0);
    return OK;
  }

  xSectorSize(): number {
    return SECTOR;
  }

  xDeviceCharacteristics(): number {
    return 0;
  }

  xFileControl(): number {
    return NOTFOUND;
  }

  xLock(): number {
    return OK;
  }

  xUnlock(): number {
    return OK;
  }

  /** Run `action`, which returns a code of SQLite or nothing. An error is remembered, and told as `code`. */
  #try(code: number, action: () => number | void): number {
    try {
      return action() ?? OK;
    } catch (thrown) {
      this.failure = thrown as Error;
      return code;
    }
  }

  #text(at: number): string {
    const memory = this.#memory.HEAPU8;
    return decode(memory.subarray(at, memory.indexOf(0, at)));
  }

  #int32(at: number, value: number): void {
    const { buffer, byteOffset } = this.#memory.HEAPU8;
    new DataView(buffer, byteOffset).setUint32(at, value, true);
  }
}

function offset(low: number, high: number): number {
  return high * 0x1_0000_0000 + (low >>> 0);
}
