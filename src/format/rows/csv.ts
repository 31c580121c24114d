import { Buffer } from "node:buffer";
import type { BlobForm } from "./choice.ts";
import { type JsonValue, wholeReal } from "./json-value.ts";

/**
 * CSV of RFC 4180, by these rules:
 *
 * - a header line with the names of the columns; lines end with CRLF
 * - NULL is an empty field without quotes
 * - TEXT has quotes always, so that `"1"` is text and `1` is a number; empty text is `""`
 * - INTEGER is digits; REAL has a point, an exponent, or is `Infinity`, except in a column that makes one of
 *   every number
 * - a BLOB is base64 (or hexadecimal) without quotes, an empty one `""`; so is text that is not UTF-8
 */
export function csvField(value: JsonValue, blobs: BlobForm): string {
  if (value === null) return "";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return numberText(value);
  if ("integer" in value) return value.integer;
  if ("real" in value) return value.real;
  const base64 = "text" in value ? value.text : value.blob;
  if (base64 === "") return '""';
  return blobs === "base64" ? base64 : Buffer.from(base64, "base64").toString("hex");
}

/** Write the fields of a line. */
export function csvLine(fields: readonly string[]): string {
  return `${fields.join(",")}\r\n`;
}

/** Write the header line. A name has quotes where it needs them. */
export function csvHeader(columns: readonly string[]): string {
  return csvLine(columns.map((name) => (/^[\w .-]+$/.test(name) ? name : quoted(name))));
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** A whole number beyond 2^53 is a REAL: digits alone would be an INTEGER. */
function numberText(value: number): string {
  const text = String(value);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes("e")
    ? `${text}.0`
    : text;
}

/** A field as it was read. */
export interface CsvField {
  readonly text: string;
  readonly quoted: boolean;
}

/**
 * Return the value of a field; undefined for what the rules above do not write.
 *
 * @param blob the form of its column's BLOBs, if every value of it that is not NULL is one
 */
export function csvValue(
  { text, quoted: inQuotes }: CsvField,
  blob: BlobForm | undefined,
): JsonValue | undefined {
  if (!inQuotes && text === "") return null;
  if (blob !== undefined) return blobValue(text, blob);
  if (inQuotes) return text;
  if (/^-?\d+$/.test(text))
    return Number.isSafeInteger(Number(text)) ? Number(text) : { integer: text };
  if (/^-?Infinity$/.test(text)) return { real: text };
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) return undefined;
  const real = Number(text);
  return Number.isSafeInteger(real) ? wholeReal(real) : real;
}

function blobValue(text: string, form: BlobForm): JsonValue | undefined {
  const base64 = form === "base64" ? text : Buffer.from(text, "hex").toString("base64");
  if (form === "hex" && Buffer.from(base64, "base64").toString("hex") !== text) return undefined;
  return { blob: base64 };
}

/** Reads CSV piece by piece, by the letter: a field without quotes has none, and only a break ends a quoted one. */
export class CsvReader {
  readonly #take: (fields: readonly CsvField[]) => void;
  #fields: CsvField[] = [];
  #text = "";
  #state: "start" | "bare" | "quoted" | "quote" | "cr" = "start";
  #quoted = false;

  /** @param take is given each record */
  constructor(take: (fields: readonly CsvField[]) => void) {
    this.#take = take;
  }

  /** @throws Error for what is not CSV */
  push(text: string): void {
    for (let at = 0; at < text.length; at++) {
      if (this.#state === "quoted") {
        // Take all that is between two quotes at once.
        const end = text.indexOf('"', at);
        this.#text += text.slice(at, end === -1 ? text.length : end);
        if (end === -1) return;
        this.#state = "quote";
        at = end;
      } else this.#character(text[at]!);
    }
  }

  /** @throws Error where the text ends within a line */
  end(): void {
    if (this.#state !== "start" || this.#fields.length > 0)
      throw new Error("the CSV ends in the middle of a line");
  }

  #character(one: string): void {
    if (this.#state === "cr" && one !== "\n") throw new Error("a CR without its LF in the CSV");
    if (one === '"') {
      if (this.#state === "bare") throw new Error("a quote within a bare field of the CSV");
      if (this.#state === "quote") this.#text += one;
      this.#state = "quoted";
      this.#quoted = true;
    } else if (one === ",") this.#field();
    else if (one === "\r") this.#state = "cr";
    else if (one === "\n") {
      this.#field();
      const fields = this.#fields;
      this.#fields = [];
      this.#take(fields);
    } else if (this.#state === "quote") throw new Error("text after a closing quote of the CSV");
    else {
      this.#text += one;
      this.#state = "bare";
    }
  }

  #field(): void {
    this.#fields.push({ text: this.#text, quoted: this.#quoted });
    this.#text = "";
    this.#quoted = false;
    this.#state = "start";
  }
}
