/**
 * Splits a stream of SQL bytes into statements, by the rules of SQLite's own `sqlite3_complete`
 * (https://sqlite.org/c3ref/complete.html): a statement ends at a semicolon that is outside of
 * strings, quoted names and comments; a CREATE TRIGGER only at `;END;`.
 */

import { concat } from "./bytes.ts";

export interface Statement {
  /** From the first byte that is neither white space nor comment to the semicolon; as many bytes as the scanner holds. */
  readonly bytes: Uint8Array;
  /** Length in bytes of the whole statement; greater than `bytes.length` when that was cut. */
  readonly length: number;
  /** It has a bare `inf`, which sqld writes for ±Infinity and no SQLite reads. */
  readonly bareInfinity: boolean;
  /** It has a NUL byte, at which SQLite stops reading a literal. */
  readonly nul: boolean;
}

/** How many bytes of one statement are held at the most, unless the scanner is told otherwise. */
const MAX_HELD = 1024 * 1024;

const SPACE = 32;
const DOUBLE_QUOTE = 34;
const QUOTE = 39;
const STAR = 42;
const DASH = 45;
const SLASH = 47;
const SEMICOLON = 59;
const BRACKET = 91;
const CLOSE_BRACKET = 93;
const BACKTICK = 96;
const LOWER_I = 105;

/** Inside what the scanner stands. Inside quotes the mode is the closing quote itself, 34 to 96. */
const CODE = 0;
const LINE_COMMENT = 1;
const BLOCK_COMMENT = 2;
const BLOCK_COMMENT_STAR = 3;
const AFTER_I = 4;
const AFTER_IN = 5;
const AFTER_INF = 6;

/** How far a statement has come towards being a trigger: the states of sqlite3_complete. */
const NORMAL = 0;
const START = 1;
const EXPLAIN = 2;
const CREATE = 3;
const TRIGGER = 4;
const TRIGGER_SEMICOLON = 5;
const TRIGGER_END = 6;

/** Bytes that can change the mode in an ordinary statement; everything else is skipped at speed. */
const SPECIAL = new Uint8Array(256);
for (const byte of [QUOTE, DOUBLE_QUOTE, BACKTICK, BRACKET, DASH, SLASH, SEMICOLON, LOWER_I])
  SPECIAL[byte] = 1;

const WORD = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++)
  if (byte >= 128 || /[A-Za-z0-9_$]/.test(String.fromCharCode(byte))) WORD[byte] = 1;

const isSpace = (byte: number): boolean => byte === SPACE || (byte >= 9 && byte <= 13);

export class SqlScanner {
  readonly #onStatement: (statement: Statement) => void;
  readonly #maxHeld: number;
  #mode = CODE;
  #phase = START;
  #word = "";
  /** The byte before the current chunk, for rules that look back one byte. */
  #last = 0;
  /** A `-` or `/` that may open a comment stood at the end of the last chunk. */
  #opener = 0;
  #begun = false;
  #held: Uint8Array[] = [];
  #heldLength = 0;
  #length = 0;
  #nul = false;
  #bareInfinity = false;

  constructor(onStatement: (statement: Statement) => void, maxHeld = MAX_HELD) {
    this.#onStatement = onStatement;
    this.#maxHeld = maxHeld;
  }

  /** True when every statement so far has ended: only white space and comments may be open. */
  get complete(): boolean {
    return !this.#begun && (this.#mode === CODE || this.#mode === LINE_COMMENT);
  }

  /** Scan the next bytes. Statements are handed over as they end; their bytes may share `chunk`'s memory. */
  push(chunk: Uint8Array): void {
    const end = chunk.length;
    let at = 0;
    let from = 0; // where the open statement starts in this chunk
    let opener = this.#opener;
    let nul = chunk.indexOf(0);

    while (at < end) {
      const mode = this.#mode;
      if (mode >= DOUBLE_QUOTE) {
        at = endOfQuoted(chunk, at, mode);
        if (at < end) this.#mode = CODE;
        at++;
        continue;
      }
      if (mode === LINE_COMMENT) {
        at = indexOf(chunk, 10, at) + 1;
        if (at <= end) this.#mode = CODE;
        continue;
      }
      const byte = chunk[at]!;
      if (mode === BLOCK_COMMENT || mode === BLOCK_COMMENT_STAR) {
        if (mode === BLOCK_COMMENT_STAR && byte === SLASH) this.#mode = CODE;
        else this.#mode = byte === STAR ? BLOCK_COMMENT_STAR : BLOCK_COMMENT;
        at++;
        continue;
      }
      if (mode !== CODE) {
        this.#afterI(mode, byte);
        if (this.#mode !== CODE) at++;
        continue;
      }

      // A comment opens with two bytes. When the first had begun a statement, it had not.
      if (opener !== 0) {
        const opens = (opener === DASH && byte === DASH) || (opener === SLASH && byte === STAR);
        const alone = this.#length + (at - from) === 1;
        opener = 0;
        if (opens) {
          this.#mode = byte === DASH ? LINE_COMMENT : BLOCK_COMMENT;
          if (alone) this.#reset();
          at++;
          continue;
        }
        this.#token();
      }

      if (!this.#begun) {
        if (isSpace(byte) || byte === SEMICOLON) {
          at++;
          continue;
        }
        this.#begun = true;
        from = at;
        if (nul !== -1 && nul < at) nul = chunk.indexOf(0, at);
        const lower = byte | 32;
        if (lower !== 99 && lower !== 101) this.#phase = NORMAL; // neither CREATE nor EXPLAIN
      }

      if (this.#phase === NORMAL) {
        while (at < end && SPECIAL[chunk[at]!] === 0) at++;
        if (at === end) break;
      } else if (WORD[byte] === 1) {
        if (this.#word.length < 10) this.#word += String.fromCharCode(byte);
        at++;
        continue;
      } else {
        this.#endWord();
        if (isSpace(byte)) {
          at++;
          continue;
        }
      }

      const special = chunk[at]!;
      switch (special) {
        case SEMICOLON:
          if (this.#semicolon()) {
            const hasNul = nul !== -1 && nul < at;
            this.#emit(chunk, from, at + 1, hasNul);
            if (hasNul) nul = chunk.indexOf(0, at);
          }
          break;
        case DASH:
        case SLASH:
          opener = special;
          break;
        case QUOTE:
        case DOUBLE_QUOTE:
        case BACKTICK:
          this.#token();
          this.#mode = special;
          break;
        case BRACKET:
          this.#token();
          this.#mode = CLOSE_BRACKET;
          break;
        case LOWER_I: {
          const before = at > 0 ? chunk[at - 1]! : this.#last;
          if (before === 40 || before === 44 || before === DASH) this.#mode = AFTER_I; // ( , -
          break;
        }
        default:
          this.#token();
      }
      at++;
    }

    this.#opener = opener;
    if (end > 0) this.#last = chunk[end - 1]!;
    if (this.#begun) this.#hold(chunk.subarray(from), nul !== -1);
  }

  /** In an ordinary statement: are the bytes after an `i` the rest of a bare `inf`? */
  #afterI(mode: number, byte: number): void {
    if (mode === AFTER_I && byte === 110) this.#mode = AFTER_IN;
    else if (mode === AFTER_IN && byte === 102) this.#mode = AFTER_INF;
    else {
      if (mode === AFTER_INF && (byte === 44 || byte === 41)) this.#bareInfinity = true; // , )
      this.#mode = CODE;
    }
  }

  /** A word has ended: step through the states of sqlite3_complete. */
  #endWord(): void {
    if (this.#word === "") return;
    const word = this.#word.toUpperCase();
    this.#word = "";
    const phase = this.#phase;
    if (phase === START && word === "EXPLAIN") this.#phase = EXPLAIN;
    else if ((phase === START || phase === EXPLAIN) && word === "CREATE") this.#phase = CREATE;
    else if (phase === CREATE && word === "TRIGGER") this.#phase = TRIGGER;
    else if (phase === CREATE && (word === "TEMP" || word === "TEMPORARY")) return;
    else if (phase === TRIGGER_SEMICOLON && word === "END") this.#phase = TRIGGER_END;
    else this.#token();
  }

  /** Any other token was seen. */
  #token(): void {
    if (this.#phase >= TRIGGER) this.#phase = TRIGGER;
    else if (this.#phase !== EXPLAIN) this.#phase = NORMAL;
  }

  /** A semicolon outside of quotes: does it end the statement? */
  #semicolon(): boolean {
    if (this.#phase === TRIGGER || this.#phase === TRIGGER_SEMICOLON) {
      this.#phase = TRIGGER_SEMICOLON;
      return false;
    }
    return true;
  }

  #hold(bytes: Uint8Array, nul: boolean): void {
    const room = this.#maxHeld - this.#heldLength;
    if (room > 0) {
      // Not slice(): a Buffer's gives a view, and workerd's takes Infinity for 0.
      const kept = new Uint8Array(bytes.subarray(0, Math.min(room, bytes.length)));
      this.#held.push(kept);
      this.#heldLength += kept.length;
    }
    this.#length += bytes.length;
    this.#nul ||= nul;
  }

  #emit(chunk: Uint8Array, from: number, to: number, nul: boolean): void {
    let bytes: Uint8Array;
    const length = this.#length + to - from;
    if (this.#length === 0) {
      bytes = chunk.subarray(from, Math.min(to, from + this.#maxHeld));
    } else {
      this.#hold(chunk.subarray(from, to), nul);
      bytes = concat(this.#held, this.#heldLength);
    }
    const statement = { bytes, length, bareInfinity: this.#bareInfinity, nul: nul || this.#nul };
    this.#reset();
    this.#onStatement(statement);
  }

  #reset(): void {
    this.#begun = false;
    this.#phase = START;
    this.#word = "";
    this.#length = 0;
    this.#nul = false;
    this.#bareInfinity = false;
    if (this.#heldLength > 0) {
      this.#held = [];
      this.#heldLength = 0;
    }
  }
}

/** Where `byte` stands next, or the chunk's length. */
function indexOf(chunk: Uint8Array, byte: number, from: number): number {
  const found = chunk.indexOf(byte, from);
  return found === -1 ? chunk.length : found;
}

/** The closing quote's place, or the chunk's length. Short strings are walked: a native call costs more. */
function endOfQuoted(chunk: Uint8Array, from: number, quote: number): number {
  const near = Math.min(chunk.length, from + 64);
  for (let at = from; at < near; at++) if (chunk[at] === quote) return at;
  return near === chunk.length ? near : indexOf(chunk, quote, near);
}
