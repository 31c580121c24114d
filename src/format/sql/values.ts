/**
 * The values of an INSERT as sqld's exporter writes them (libsql-server/src/connection/dump/exporter.rs):
 * NULL, numbers, `inf`, 'text', X'blobs', and text with line breaks as `replace('a\nb','\n',char(10))`; and
 * as Nightjar writes them: text in hexadecimal, a REAL as an integer with powers of two, the least integer.
 * Nothing else is a value: no name, no other operator, no other function.
 */

const OPEN = 40;
const CLOSE = 41;
const COMMA = 44;
const DASH = 45;
const QUOTE = 39;
const STAR = 42;
const SLASH = 47;
const SEMICOLON = 59;

/** The least INTEGER as Nightjar writes it: its digits alone would be a REAL. */
export const LEAST_INTEGER = "(-9223372036854775807-1)";

/** Called with a piece of a value: the text between its quotes, or a bare `inf`. */
export type OnPiece = (kind: "text" | "infinity", start: number, end: number) => void;

/** Nested calls of `replace(` at most: one for each of CR and LF. */
const MOST_REPLACES = 2;

/** Return true if the bytes from `at` on are values up to a `);` that ends at `to`. Reads forward only. */
export function readValues(
  bytes: Uint8Array,
  at: number,
  onPiece?: OnPiece,
  to = bytes.length,
): boolean {
  for (;;) {
    const end = endOfValue(bytes, at, onPiece);
    if (end === -1) return false;
    if (bytes[end] !== COMMA)
      return bytes[end] === CLOSE && bytes[end + 1] === SEMICOLON && end + 2 === to;
    at = end + 1;
  }
}

/** Return the index after the value; -1 if there is none. */
function endOfValue(bytes: Uint8Array, at: number, onPiece: OnPiece | undefined): number {
  let replaces = 0;
  while (hasWord(bytes, at, "replace(")) {
    if (++replaces > MOST_REPLACES) return -1;
    at += 8;
  }
  if (replaces === 0) return endOfPlain(bytes, at, onPiece);
  const text = bytes[at] === QUOTE || hasWord(bytes, at, "CAST(");
  let end = text ? endOfPlain(bytes, at, onPiece) : -1;
  for (; replaces > 0 && end !== -1; replaces--) {
    if (bytes[end] !== COMMA || bytes[end + 1] !== QUOTE) return -1;
    end = endOfText(bytes, end + 1, onPiece);
    if (!hasWord(bytes, end, ",char(10))") && !hasWord(bytes, end, ",char(13))")) return -1;
    end += 10;
  }
  return end;
}

function endOfPlain(bytes: Uint8Array, at: number, onPiece: OnPiece | undefined): number {
  const first = bytes[at];
  if (first === QUOTE) return endOfText(bytes, at, onPiece);
  if (hasWord(bytes, at, "X'")) {
    const end = endOfHex(bytes, at + 2);
    return bytes[end] === QUOTE ? end + 1 : -1;
  }
  if (hasWord(bytes, at, "CAST(X'")) {
    const end = endOfHex(bytes, at + 7);
    return hasWord(bytes, end, "' AS TEXT)") ? end + 10 : -1;
  }
  if (hasWord(bytes, at, "NULL")) return at + 4;
  if (hasWord(bytes, at, LEAST_INTEGER)) return at + LEAST_INTEGER.length;
  const digits = first === DASH ? at + 1 : at;
  if (hasWord(bytes, digits, "inf")) {
    onPiece?.("infinity", digits, digits + 3);
    return digits + 3;
  }
  let end = digits;
  while (isNumeric(bytes[end], bytes[end - 1])) end++;
  if (end === digits || !isDigit(bytes[digits])) return -1;
  return hasWord(bytes, end, "*1.0") ? endOfPowers(bytes, end + 4) : end;
}

/** Return the index after factors and divisors like `*(1<<62)`. */
function endOfPowers(bytes: Uint8Array, at: number): number {
  let end = at;
  while (hasWord(bytes, end + 1, "(1<<") && (bytes[end] === STAR || bytes[end] === SLASH)) {
    let close = end + 5;
    while (isDigit(bytes[close])) close++;
    if (close === end + 5 || bytes[close] !== CLOSE) return -1;
    end = close + 1;
  }
  return end;
}

/** Return the index after hexadecimal digits. */
function endOfHex(bytes: Uint8Array, at: number): number {
  let end = at;
  while (HEX[bytes[end] ?? 0] === 1) end++;
  return end;
}

/** Return the index after the closing quote; -1 if there is none. */
function endOfText(bytes: Uint8Array, at: number, onPiece: OnPiece | undefined): number {
  for (let end = at + 1; ; end += 2) {
    end = bytes.indexOf(QUOTE, end);
    if (end === -1) return -1;
    if (bytes[end + 1] === QUOTE) continue;
    onPiece?.("text", at + 1, end);
    return end + 1;
  }
}

function hasWord(bytes: Uint8Array, at: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}

const HEX = new Uint8Array(256);
for (const digit of "0123456789ABCDEFabcdef") HEX[digit.charCodeAt(0)] = 1;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 48 && byte <= 57;
}

/**
 * Return true for digits, `.`, `e`, `E`; for a sign only after the latter two, as two signs would begin a
 * comment.
 */
function isNumeric(byte: number | undefined, before: number | undefined): boolean {
  if (byte === 43 || byte === DASH) return before === 69 || before === 101;
  return isDigit(byte) || byte === 46 || byte === 69 || byte === 101;
}

/**
 * Read the table, and the index where the values begin, of `INSERT INTO t(a,"b c") VALUES(…);`. Return
 * undefined for another form.
 */
export function readInsertHead(bytes: Uint8Array): { table: string; values: number } | undefined {
  const start = 12; // INSERT INTO
  const end = endOfName(bytes, start);
  if (end === -1) return undefined;
  let at = end;
  if (bytes[at] === OPEN)
    do {
      at = endOfName(bytes, at + 1);
      if (at === -1) return undefined;
    } while (bytes[at] === COMMA);
  if (at !== end && bytes[at++] !== CLOSE) return undefined;
  if (!hasWord(bytes, at, " VALUES(")) return undefined;
  const quoted = bytes[start] === 34;
  const name = bytes.subarray(quoted ? start + 1 : start, quoted ? end - 1 : end);
  const table = NAMES.decode(name);
  return { table: quoted ? table.replaceAll('""', '"') : table, values: at + 8 };
}

const NAMES = new TextDecoder();

/**
 * Return the index after a name; -1 if there is none. It has letters, digits and `_`, or is in double
 * quotes, and then each double quote in it is doubled, and it has no NUL.
 */
function endOfName(bytes: Uint8Array, at: number): number {
  if (bytes[at] === 34) {
    let end = bytes.indexOf(34, at + 1) + 1;
    while (end !== 0 && bytes[end] === 34) end = bytes.indexOf(34, end + 1) + 1;
    return end === 0 || bytes.subarray(at, end).includes(0) ? -1 : end;
  }
  let end = at;
  while (isNameByte(bytes[end])) end++;
  return end > at ? end : -1;
}

function isNameByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return byte >= 128 || byte === 95 || isDigit(byte) || ((byte | 32) >= 97 && (byte | 32) <= 122);
}
