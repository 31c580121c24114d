import { styleText } from "node:util";
import { printable, printableJson } from "../core/printable.ts";

type Style = Parameters<typeof styleText>[0];

/** A text that has a colour where it is printed to a terminal that wants one. */
export interface Painted {
  readonly style: Style;
  readonly text: string;
}

/** A part of a line: words from anywhere, which are printed as they can be shown. */
export type Part = string | Painted;

export function paint(style: Style, text: string): Painted {
  return { style, text };
}

/** Print one line of a result on standard output. What would change the terminal is shown, not done. */
export function print(...parts: readonly Part[]): void {
  console.log(lineFor(process.stdout, parts));
}

/** Print one line for the user on standard error, where a program that reads the result does not see it. */
export function printAside(...parts: readonly Part[]): void {
  console.error(lineFor(process.stderr, parts));
}

/** Print a result for programs: one JSON document on standard output. */
export function printJson(value: unknown): void {
  console.log(printableJson(value, 2));
}

/** Print one of many results for programs: one line of JSON on standard output. */
export function printJsonLine(value: unknown): void {
  console.log(printableJson(value));
}

/** Print an error for programs: one line of JSON on standard error. */
export function printJsonError(value: unknown): void {
  console.error(printableJson(value));
}

function lineFor(stream: NodeJS.WriteStream, parts: readonly Part[]): string {
  return parts
    .map((part) => (typeof part === "string" ? printable(part) : painted(part, stream)))
    .join("");
}

function painted({ style, text }: Painted, stream: NodeJS.WriteStream): string {
  // Only newer Nodes ask the stream by themselves.
  const wanted = stream.isTTY && stream.hasColors();
  return wanted ? styleText(style, printable(text), { stream }) : printable(text);
}

const width = (part: Part) => printable(typeof part === "string" ? part : part.text).length;
const dim = (part: Part) => (typeof part === "string" ? paint("dim", part) : part);

/**
 * Print rows in columns that line up, the first row as the head. Where a terminal is too narrow for that, each
 * row is printed as lines of its own.
 */
export function printTable(rows: readonly (readonly Part[])[]): void {
  tableWriter(rows[0]!)(rows.slice(1));
}

/**
 * Make a function that prints rows under one head, a part of them at a time: columns may get wider from part to
 * part. The head comes with the first part.
 */
export function tableWriter(head: readonly Part[]): (rows: readonly (readonly Part[])[]) => void {
  let widths = head.map(width);
  let isFirst = true;
  return (rows) => {
    widths = widths.map((one, at) => Math.max(one, ...rows.map((row) => width(row[at]!))));
    const total = widths.reduce((sum, one) => sum + one + 2, -2);
    if (process.stdout.isTTY && total > process.stdout.columns) return printBlocks(head, rows);
    if (isFirst) print(...inColumns(head, widths).map(dim));
    isFirst = false;
    for (const row of rows) print(...inColumns(row, widths));
  };
}

function inColumns(row: readonly Part[], widths: readonly number[]): Part[] {
  const last = row.findLastIndex((cell) => width(cell) > 0);
  return row.slice(0, last + 1).flatMap((cell, at) => {
    const gap = at === last ? "" : " ".repeat(widths[at]! - width(cell) + 2);
    return [cell, gap];
  });
}

/** Print each row as a line with its first cell, and one for each other that is not empty. */
function printBlocks(head: readonly Part[], rows: readonly (readonly Part[])[]): void {
  const longest = Math.max(...head.map(width));
  for (const [first, ...cells] of rows) {
    print(first!);
    for (const [at, cell] of cells.entries()) {
      const name = head[at + 1]!;
      if (width(cell) > 0) print("  ", dim(name), " ".repeat(longest - width(name) + 2), cell);
    }
  }
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

/** Say how large a backup is, for people: `4.2 MB, stored as 1.9 MB`. */
export function sizes({ kind, raw, stored }: Sized): string {
  const text = kind === "dump" ? " of SQL" : "";
  return `${size(raw.bytes)}${text}, stored as ${size(stored.bytes)}`;
}

/** How the states of databases look on a terminal. */
export const STATE_STYLES = {
  fresh: "green",
  late: "yellow",
  unverified: "yellow",
  failed: "red",
  corrupt: "red",
  misconfigured: "red",
  none: "dim",
  "not configured": "dim",
} as const;

const COPY_STYLES = { copied: "green", copying: "yellow", failed: "red" } as const;

/** The state of a second copy, in one word; empty if there is none. */
export function copyWord(copy: { state: keyof typeof COPY_STYLES } | null): Part {
  return copy === null ? "" : paint(COPY_STYLES[copy.state], copy.state);
}

/** A moment for people, to the minute: `2026-11-21 03:00 UTC`. */
export function moment(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}
