import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const PAGE_SIZE = 4096;
const WAL_HEADER = 32;
const FRAME = 24 + PAGE_SIZE;

/** Stored data of a generation: its start and its frames; null once it was forgotten. */
interface Generation {
  readonly start: Buffer;
  readonly wal: Buffer;
  /** Number of frames up to the last commit. */
  readonly count: number;
  readonly kept: boolean;
}

/** A real SQLite database whose WAL is cut into generations by checkpoints. */
export class WalDatabase {
  readonly #path: string;
  #db: DatabaseSync;
  #past: Generation[] = [];
  #start: Buffer;
  #saved: { past: Generation[]; start: Buffer; file: Buffer; wal: Buffer } | undefined;

  constructor(dir: string, name: string) {
    this.#path = join(dir, `${name}.db`);
    this.#db = this.#open();
    this.#start = readFileSync(this.#path);
  }

  #open(): DatabaseSync {
    const db = new DatabaseSync(this.#path, {
      allowExtension: false,
      // Tests write schemas as older versions and other tools did.
      defensive: false,
      enableDoubleQuotedStringLiterals: true,
    });
    // With a small cache, large transactions write frames before they commit, as in production.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = 20");
    return db;
  }

  /** Save a copy of everything, for `putBack`. */
  save(): void {
    const wal = `${this.#path}-wal`;
    this.#saved = {
      past: [...this.#past],
      start: this.#start,
      file: readFileSync(this.#path),
      wal: existsSync(wal) ? readFileSync(wal) : Buffer.alloc(0),
    };
  }

  /** Replace everything by the copy: generations and frames count on from there. */
  putBack(): void {
    const { past, start, file, wal } = this.#saved!;
    this.#db.close();
    for (const suffix of ["-wal", "-shm"]) rmSync(this.#path + suffix, { force: true });
    writeFileSync(this.#path, file);
    if (wal.length > 0) writeFileSync(`${this.#path}-wal`, wal);
    [this.#past, this.#start] = [[...past], start];
    this.#db = this.#open();
  }

  /** The current generation; the first is 1. */
  get generation(): number {
    return this.#past.length + 1;
  }

  /** True once there was a transaction. */
  get written(): boolean {
    return this.generation > 1 || this.#current().count > 0;
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  checkpoint({ keep = true }: { keep?: boolean } = {}): void {
    const old = this.#current();
    this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#past.push(old);
    this.#start = readFileSync(this.#path);
    if (keep) return;
    for (const [index, past] of this.#past.entries())
      this.#past[index] = { ...past, start: Buffer.alloc(0), wal: Buffer.alloc(0), kept: false };
  }

  /** Return the database file at the start of a generation; null if it is not kept. */
  startOf(generation: number): Buffer | null {
    const found = this.#of(generation);
    return found?.kept ? found.start : null;
  }

  /** Return the frames from `from` up to but not including `to`, and the generation's number of frames. */
  framesOf(generation: number, from: number, to: number): { frames: Buffer; count: number } {
    const { wal, count } = this.#of(generation) ?? { wal: Buffer.alloc(0), count: 0 };
    const last = Math.min(to - 1, count);
    if (wal.length === 0 || from > last) return { frames: Buffer.alloc(0), count };
    const at = (frame: number) => WAL_HEADER + (frame - 1) * FRAME;
    return { frames: wal.subarray(at(from), at(last + 1)), count };
  }

  /** Return the present database in one file. */
  image(): Buffer {
    const copy = `${this.#path}.copy`;
    copyFileSync(this.#path, copy);
    const wal = `${this.#path}-wal`;
    if (existsSync(wal)) copyFileSync(wal, `${copy}-wal`);
    const db = new DatabaseSync(copy);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const bytes = readFileSync(copy);
    db.close();
    for (const name of [copy, `${copy}-wal`, `${copy}-shm`]) rmSync(name, { force: true });
    return bytes;
  }

  close(): void {
    this.#db.close();
  }

  #of(generation: number): Generation | undefined {
    return generation === this.generation ? this.#current() : this.#past[generation - 1];
  }

  #current(): Generation {
    const path = `${this.#path}-wal`;
    const wal = existsSync(path) ? readFileSync(path) : Buffer.alloc(0); // none before the first write
    let count = 0;
    for (let frame = 1; WAL_HEADER + frame * FRAME <= wal.length; frame++) {
      const header = WAL_HEADER + (frame - 1) * FRAME;
      if (!wal.subarray(header + 8, header + 16).equals(wal.subarray(16, 24))) break; // an older WAL
      if (wal.readUInt32BE(header + 4) > 0) count = frame;
    }
    return { start: this.#start, wal, count, kept: true };
  }
}
