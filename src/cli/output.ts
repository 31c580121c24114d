import { stripVTControlCharacters, styleText } from "node:util";

/** Print a result for programs: one JSON document on standard output. */
export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, undefined, 2));
}

type Style = Parameters<typeof styleText>[0];

/** Colour a text where standard output is a terminal that wants it. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Print rows in columns that line up, the first row as the head. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => width(row[at]!))));
  rows.forEach((row, index) => {
    const cells = row.map((cell, at) => cell + " ".repeat(widths[at]! - width(cell)));
    const line = cells.join("  ").trimEnd();
    console.log(index === 0 ? paint("dim", line) : line);
  });
}

interface Sized {
  kind: "dump" | "snapshot";
  raw: { bytes: number };
  stored: { bytes: number };
}

/** A size for people: `12.3 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** What is stored, for people: `4.2 MB, stored as 1.9 MB`. */
export function sizes({ kind, raw, stored }: Sized): string {
  const text = kind === "dump" ? " of SQL" : "";
  return `${size(raw.bytes)}${text}, stored as ${size(stored.bytes)}`;
}

const COPY_STYLES = { copied: "green", copying: "yellow", failed: "red" } as const;

/** How a second copy stands, in a word; nothing where there is none. */
export function copyWord(copy: { state: keyof typeof COPY_STYLES } | null): string {
  return copy === null ? "" : paint(COPY_STYLES[copy.state], copy.state);
}

/** A moment for people, to the minute: `2026-11-21 03:00 UTC`. */
export function moment(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}
