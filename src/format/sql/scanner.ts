/**
 * Splits a stream of SQL bytes into statements, by the rules of SQLite's own `sqlite3_complete`
 * (https://sqlite.org/c3ref/complete.html): a statement ends at a semicolon that is outside of strings,
 * quoted names and comments; a CREATE TRIGGER only at `;END;`. Shells split by that function. SQLite's
 * parser splits by its tokenizer, which knows Tcl's variables as well. This scanner knows them too, and
 * marks statements that the two may read differently.
 */

import { concat, decode } from "../bytes/bytes.ts";

/** One statement, which lies in `source` from `from` to `to`. */
export interface Statement {
  readonly source: Uint8Array;
  readonly from: number;
  readonly to: number;
  /**
   * From the first byte that is neither white space nor comment to the semicolon. If that is more than the
   * scanner holds, the rest of quoted text is left out. A view, which is made when it is asked for: a view
   * for each of millions of rows would be much garbage.
   */
  readonly bytes: Uint8Array;
  /** Length in bytes of the whole statement; greater than `bytes.length` when that was shortened. */
  readonly length: number;
  /** The text outside of quotes was too long to be held, too: `bytes` lacks some of it. */
  readonly cut: boolean;
  /**
   * Its end depends on the reader: it has a variable with parentheses (`$a(')`), or a vertical tab or a
   * byte order mark outside of quotes and comments.
   */
  readonly ambiguous: boolean;
  /** It has a bare `inf`, which sqld writes for ±Infinity and no SQLite reads. */
  readonly bareInfinity: boolean;
  /** It has a NUL byte, at which SQLite stops reading a literal. */
  readonly nul: boolean;
  /** There is a comment between it and the statement before it. */
  readonly commented: boolean;
}

/** The statement that a scanner has found last. One object serves for all of them. */
class Found implements Statement {
  source: Uint8Array = NOTHING;
  from = 0;
  to = 0;
  length = 0;
  cut = false;
  ambiguous = false;
  bareInfinity = false;
  nul = false;
  commented = false;

  #bytes: Uint8Array | undefined;

  get bytes(): Uint8Array {
    return (this.#bytes ??= this.source.subarray(this.from, this.to));
  }

  moveTo(source: Uint8Array, from: number, to: number): void {
    this.source = source;
    this.from = from;
    this.to = to;
    this.#bytes = undefined;
  }
}
const NOTHING = new Uint8Array();

/** Bytes of one statement that are held at most, unless the caller gives another number. */
const MAX_HELD = 1024 * 1024;
/** Bytes that are held in addition of text outside of quotes. */
const MORE_CODE = 256 * 1024;

const VERTICAL_TAB = 11;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const HASH = 35;
const DOLLAR = 36;
const QUOTE = 39;
const OPEN = 40;
const CLOSE = 41;
const STAR = 42;
const DASH = 45;
const SLASH = 47;
const COLON = 58;
const SEMICOLON = 59;
const AT = 64;
const BRACKET = 91;
const CLOSE_BRACKET = 93;
const BACKTICK = 96;
const LOWER_I = 105;

/** Scanner state: the token that the current byte is inside. In quotes it is the closing quote itself, 34 to 96. */
const CODE = 0;
const LINE_COMMENT = 1;
const BLOCK_COMMENT = 2;
const BLOCK_COMMENT_STAR = 3;
const AFTER_I = 4;
const AFTER_IN = 5;
const AFTER_INF = 6;
/** After the sign of a variable, after its name, after a colon in it, in its parentheses. */
const VARIABLE = 7;
const NAMED = 8;
const NAMED_COLON = 9;
const VARIABLE_COLON = 10;
const PARENTHESES = 11;
/** After the first and the second byte of a byte order mark. */
const MARK_1 = 12;
const MARK_2 = 13;

/** The progress of a statement towards being a trigger: the states of sqlite3_complete. */
const NORMAL = 0;
const START = 1;
const EXPLAIN = 2;
const CREATE = 3;
const TRIGGER = 4;
const TRIGGER_SEMICOLON = 5;
const TRIGGER_END = 6;

/** Bytes that can change the mode in an ordinary statement; everything else is skipped at speed. */
const SPECIAL = new Uint8Array(256);
for (const byte of [
  ...[QUOTE, DOUBLE_QUOTE, BACKTICK, BRACKET, DASH, SLASH, SEMICOLON, LOWER_I],
  ...[DOLLAR, AT, COLON, HASH, VERTICAL_TAB, 0xef],
])
  SPECIAL[byte] = 1;

const WORD = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++)
  if (byte >= 128 || /[A-Za-z0-9_$]/.test(String.fromCharCode(byte))) WORD[byte] = 1;

const isSpace = (byte: number): boolean => byte === SPACE || (byte >= 9 && byte <= 13);
const isVariable = (mode: number): boolean => mode >= VARIABLE && mode <= PARENTHESES;

export class SqlScanner {
  readonly #onStatement: (statement: Statement) => void;
  readonly #found = new Found();
  readonly #maxHeld: number;
  readonly #onComment: ((comment: string) => void) | undefined;
  /** The line comment between two statements that is being read, if there is an `onComment`. */
  #comment: Uint8Array[] | undefined;
  #mode = CODE;
  #phase = START;
  #word = "";
  /** The byte before the current chunk, for rules that look back one byte. */
  #last = 0;
  /** A `-` or `/` that may open a comment and was the last byte of the previous chunk; else 0. */
  #opener = 0;
  #begun = false;
  #held: Uint8Array[] = [];
  #heldLength = 0;
  #length = 0;
  #cut = false;
  #nul = false;
  #bareInfinity = false;
  #ambiguous = false;
  #commented = false;

  /**
   * @param onStatement is called with each statement, which is valid until it returns
   * @param onComment is called with each line comment between two statements, without its dashes
   */
  constructor(
    onStatement: (statement: Statement) => void,
    maxHeld = MAX_HELD,
    onComment?: (comment: string) => void,
  ) {
    this.#onStatement = onStatement;
    this.#maxHeld = maxHeld;
    this.#onComment = onComment;
  }

  /** True when every statement so far has ended. Only white space and a line comment may be open. */
  get complete(): boolean {
    return !this.#begun && (this.#mode === CODE || this.#mode === LINE_COMMENT);
  }

  /** Scan the next bytes. Each statement is passed on as it ends; its bytes may share `chunk`'s memory. */
  push(chunk: Uint8Array): void {
    const end = chunk.length;
    let at = 0;
    let from = 0; // the open statement's start in this chunk
    let opener = this.#opener;
    let nul = chunk.indexOf(0);

    while (at < end) {
      const mode = this.#mode;
      if (mode >= DOUBLE_QUOTE) {
        const closes = endOfQuoted(chunk, at, mode);
        const room = Math.max(0, this.#maxHeld - this.#heldLength - (at - from));
        if (closes - at > room || room === 0) {
          this.#holdQuoted(chunk, from, at, at + room, closes);
          from = closes;
        }
        at = closes;
        if (at < end) this.#mode = CODE;
        at++;
        continue;
      }
      if (mode === LINE_COMMENT) {
        const closes = indexOf(chunk, 10, at);
        this.#comment?.push(chunk.slice(at, closes));
        at = closes + 1;
        if (at > end) continue;
        this.#mode = CODE;
        this.#reportComment();
        continue;
      }
      const byte = chunk[at]!;
      if (mode === BLOCK_COMMENT || mode === BLOCK_COMMENT_STAR) {
        if (mode === BLOCK_COMMENT_STAR && byte === SLASH) this.#mode = CODE;
        else this.#mode = byte === STAR ? BLOCK_COMMENT_STAR : BLOCK_COMMENT;
        at++;
        continue;
      }
      if (isVariable(mode)) {
        if (this.#inVariable(mode, byte)) at++;
        continue;
      }
      if (mode !== CODE) {
        if (mode >= MARK_1) this.#inMark(mode, byte);
        else this.#afterI(mode, byte);
        if (this.#mode !== CODE) at++;
        continue;
      }

      // A comment opens with two bytes. If the first one was taken for the start of a statement, it was
      // none.
      if (opener !== 0) {
        const opens = (opener === DASH && byte === DASH) || (opener === SLASH && byte === STAR);
        const alone = this.#length + (at - from) === 1;
        opener = 0;
        if (opens) {
          this.#mode = byte === DASH ? LINE_COMMENT : BLOCK_COMMENT;
          if (alone) {
            this.#reset();
            this.#commented = true;
          }
          if (alone && byte === DASH && this.#onComment !== undefined) this.#comment = [];
          at++;
          continue;
        }
        this.#token();
      }

      if (!this.#begun) {
        if ((isSpace(byte) && byte !== VERTICAL_TAB) || byte === SEMICOLON) {
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
      } else if (WORD[byte] === 1 && (byte !== DOLLAR || this.#word !== "") && byte !== 0xef) {
        if (this.#word.length < 10) this.#word += String.fromCharCode(byte);
        at++;
        continue;
      } else {
        if (byte !== 0xef) this.#endWord();
        if (isSpace(byte) && byte !== VERTICAL_TAB) {
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
        case DOLLAR:
          if (WORD[at > 0 ? chunk[at - 1]! : this.#last] === 0) this.#variable();
          break;
        case AT:
        case COLON:
        case HASH:
          this.#variable();
          break;
        case VERTICAL_TAB:
          this.#token();
          this.#ambiguous = true;
          break;
        case 0xef:
          if (this.#word === "") this.#word = "\xef"; // no keyword begins so
          this.#mode = MARK_1;
          break;
        default:
          this.#token();
      }
      at++;
    }

    this.#opener = opener;
    if (end > 0) this.#last = chunk[end - 1]!;
    if (this.#begun) this.#hold(chunk.subarray(from), nul !== -1);
  }

  /** Check, in an ordinary statement, whether the bytes after an `i` are the rest of a bare `inf`. */
  #afterI(mode: number, byte: number): void {
    if (mode === AFTER_I && byte === 110) this.#mode = AFTER_IN;
    else if (mode === AFTER_IN && byte === 102) this.#mode = AFTER_INF;
    else {
      if (mode === AFTER_INF && (byte === 44 || byte === 41)) this.#bareInfinity = true; // , )
      this.#mode = CODE;
    }
  }

  #reportComment(): void {
    const pieces = this.#comment;
    if (pieces === undefined) return;
    this.#comment = undefined;
    this.#onComment?.(decode(concat(pieces)));
  }

  #variable(): void {
    this.#token();
    this.#mode = VARIABLE;
  }

  /** Read a byte in a variable, as SQLite's tokenizer does. Return true if it is a part of the variable. */
  #inVariable(mode: number, byte: number): boolean {
    if (mode === PARENTHESES) {
      if (byte === CLOSE || isSpace(byte)) this.#mode = CODE;
      return !isSpace(byte);
    }
    if (mode === VARIABLE_COLON || mode === NAMED_COLON) {
      // One colon alone ends the variable, and begins the next.
      if (byte === COLON) this.#mode = mode === NAMED_COLON ? NAMED : VARIABLE;
      else this.#mode = VARIABLE;
      return byte === COLON;
    }
    if (WORD[byte] === 1) this.#mode = NAMED;
    else if (byte === COLON) this.#mode = mode === NAMED ? NAMED_COLON : VARIABLE_COLON;
    else if (byte === OPEN && mode === NAMED) {
      this.#mode = PARENTHESES;
      this.#ambiguous = true;
    } else {
      this.#mode = CODE;
      return false;
    }
    return true;
  }

  /** Check the bytes after 0xEF, in a name or where one begins, for a byte order mark. */
  #inMark(mode: number, byte: number): void {
    if (mode === MARK_1 && byte === 0xbb) this.#mode = MARK_2;
    else {
      if (mode === MARK_2 && byte === 0xbf) this.#ambiguous = true;
      this.#mode = CODE;
    }
  }

  /** End a word: step through the states of sqlite3_complete. */
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

  /** Take in any other token. */
  #token(): void {
    if (this.#phase >= TRIGGER) this.#phase = TRIGGER;
    else if (this.#phase !== EXPLAIN) this.#phase = NORMAL;
  }

  /** Take in a semicolon outside of quotes. Return true if it ends the statement. */
  #semicolon(): boolean {
    if (this.#phase === TRIGGER || this.#phase === TRIGGER_SEMICOLON) {
      this.#phase = TRIGGER_SEMICOLON;
      return false;
    }
    return true;
  }

  /** Hold the bytes before a quoted text and its beginning, and only count the rest of it. */
  #holdQuoted(chunk: Uint8Array, from: number, at: number, kept: number, closes: number): void {
    // A doubled quote ended one text and began the next: both are one.
    const doubled =
      at - from === 2 && chunk[from] === chunk[from + 1] && chunk[from] === this.#mode;
    if (doubled && kept === at) this.#length += 2;
    else this.#hold(chunk.subarray(from, kept), false);
    this.#length += closes - kept;
    this.#nul ||= chunk.subarray(from, closes).includes(0);
  }

  #hold(bytes: Uint8Array, nul: boolean): void {
    const room = this.#maxHeld + MORE_CODE - this.#heldLength;
    if (bytes.length > room) this.#cut = true;
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
    const length = this.#length + to - from;
    let source = chunk;
    if (this.#length > 0 || length > this.#maxHeld) {
      this.#hold(chunk.subarray(from, to), nul);
      source = concat(this.#held, this.#heldLength);
      from = 0;
      to = source.length;
    }
    const found = this.#found;
    found.moveTo(source, from, to);
    found.length = length;
    found.cut = this.#cut;
    found.ambiguous = this.#ambiguous;
    found.bareInfinity = this.#bareInfinity;
    found.nul = nul || this.#nul;
    found.commented = this.#commented;
    this.#reset();
    this.#commented = false;
    this.#onStatement(found);
  }

  #reset(): void {
    this.#begun = false;
    this.#phase = START;
    this.#word = "";
    this.#length = 0;
    this.#cut = false;
    this.#nul = false;
    this.#bareInfinity = false;
    this.#ambiguous = false;
    if (this.#heldLength > 0) {
      this.#held = [];
      this.#heldLength = 0;
    }
  }
}

/** Return the next index of `byte`, or the chunk's length. */
function indexOf(chunk: Uint8Array, byte: number, from: number): number {
  const found = chunk.indexOf(byte, from);
  return found === -1 ? chunk.length : found;
}

/**
 * Return the index of the closing quote, or the chunk's length. Short strings are walked: a native call
 * costs more.
 */
function endOfQuoted(chunk: Uint8Array, from: number, quote: number): number {
  const near = Math.min(chunk.length, from + 64);
  for (let at = from; at < near; at++) if (chunk[at] === quote) return at;
  return near === chunk.length ? near : indexOf(chunk, quote, near);
}
