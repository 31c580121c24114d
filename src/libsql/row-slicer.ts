import { concat, copyOf } from "../format/bytes/bytes.ts";
import { NightjarError } from "../errors/errors.ts";

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** Bytes of one row at most; a row of sqld has 5 MB. */
const LONGEST_ROW = 8 * 1024 * 1024;
/** Bytes of everything else in an answer at most. */
const LONGEST_REST = 8 * 1024 * 1024;
/** Bytes of the longest key on the way to the rows, `step_results`. */
const LONGEST_KEY = 12;

/** The keys on the way to a step's rows, from the outside; the lists between them have none. */
const PATH = ["results", undefined, "response", "result", "step_results", undefined, "rows"];
/** The level of the list of steps, in which a row's step is counted. */
const STEPS = 5;

/** An object or a list that is open: the key, or the index, that is being read in it. */
interface Level {
  readonly list: boolean;
  key: string;
  index: number;
}

/**
 * Reads the JSON of a Hrana batch's answer (`PipelineRespBody` with one `BatchStreamResp`) as it comes, in
 * flat memory: it cuts out the rows, each of them a list of values, and keeps only the rest. What JSON
 * means is left to `JSON.parse`: only strings and brackets are followed here.
 */
export class RowSlicer {
  readonly #onRow: (step: number, values: unknown) => void;
  readonly #levels: Level[] = [];
  readonly #rest: Uint8Array[] = [];
  #restLength = 0;
  #row: Uint8Array[] = [];
  #rowLength = 0;
  /** True between the brackets of a list of rows. */
  #inRows = false;
  #inString = false;
  #escaped = false;
  /** The bytes of the string that was read last outside of rows, up to one more than the longest key. */
  #string: number[] = [];

  /** @param onRow is called with each row, and the index of its step */
  constructor(onRow: (step: number, values: unknown) => void) {
    this.#onRow = onRow;
  }

  /** @throws NightjarError `ROWS_INVALID`; `ROWS_UNAVAILABLE` for a row that is too large for a Worker */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#inString) {
        this.#stringByte(byte);
        continue;
      }
      if (byte === QUOTE) {
        if (this.#betweenRows) throw senseless();
        this.#inString = true;
        this.#string = [];
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        if (this.#betweenRows) from = at;
        this.#levels.push({ list: byte === OPEN_LIST, key: "", index: 0 });
        if (this.#inRows || !this.#isRows()) continue;
        this.#keep(chunk.subarray(from, at + 1));
        this.#inRows = true;
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        if (this.#levels.pop()?.list !== (byte === CLOSE_LIST)) throw senseless();
        if (!this.#inRows) continue;
        if (this.#betweenRows) {
          this.#hold(chunk.subarray(from, at + 1));
          this.#endRow();
        } else if (this.#levels.length === PATH.length) {
          this.#inRows = false;
          from = at;
        }
      } else if (byte === COMMA || byte === COLON) this.#separate(byte);
      else if (byte > 32 && this.#betweenRows) throw senseless(); // a row is a list
    }
    if (!this.#inRows) this.#keep(chunk.subarray(from));
    else if (!this.#betweenRows) this.#hold(chunk.subarray(from));
  }

  /**
   * Return the answer without its rows.
   *
   * @throws NightjarError `SOURCE_CUT` if it is not whole, `ROWS_INVALID` if it is no JSON
   */
  end(): unknown {
    if (this.#inString || this.#levels.length > 0 || this.#restLength === 0)
      throw new NightjarError("SOURCE_CUT", "The server's answer ended before its last bracket.");
    return parse(concat(this.#rest));
  }

  /** True in a list of rows, outside of each of them. */
  get #betweenRows(): boolean {
    return this.#inRows && this.#levels.length === PATH.length + 1;
  }

  #stringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) {
      this.#inString = false;
      return;
    }
    if (!this.#inRows && this.#string.length <= LONGEST_KEY) this.#string.push(byte);
  }

  #separate(byte: number): void {
    const level = this.#levels.at(-1);
    if (level === undefined) throw senseless();
    if (byte === COLON) level.key = String.fromCharCode(...this.#string);
    else level.index++;
  }

  /** Return true if the list that was opened last is one of rows. */
  #isRows(): boolean {
    if (this.#levels.length !== PATH.length + 1 || !this.#levels.at(-1)!.list) return false;
    return PATH.every((key, at) => {
      const level = this.#levels[at]!;
      return key === undefined ? level.list : !level.list && level.key === key;
    });
  }

  #keep(bytes: Uint8Array): void {
    this.#restLength += bytes.length;
    if (this.#restLength > LONGEST_REST) throw senseless();
    this.#rest.push(copyOf(bytes));
  }

  #hold(bytes: Uint8Array): void {
    this.#rowLength += bytes.length;
    if (this.#rowLength > LONGEST_ROW)
      throw new NightjarError(
        "ROWS_UNAVAILABLE",
        `A row takes more than ${LONGEST_ROW} bytes of the server's answer.`,
      );
    this.#row.push(copyOf(bytes));
  }

  #endRow(): void {
    const values = parse(concat(this.#row));
    this.#row = [];
    this.#rowLength = 0;
    this.#onRow(this.#levels[STEPS]!.index, values);
  }
}

function parse(json: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json));
  } catch (thrown) {
    throw senseless(thrown);
  }
}

function senseless(cause?: unknown): NightjarError {
  return new NightjarError("ROWS_INVALID", "The server's answer to a batch makes no sense.", {
    cause,
  });
}
