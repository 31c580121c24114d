import type { JsonValue } from "./json-value.ts";

/** Return the text that goes before each value of a row. */
export function jsonKeys(columns: readonly string[]): string[] {
  return columns.map((name, at) => `${at === 0 ? "{" : ","}${JSON.stringify(name)}:`);
}

/** Write a row as one object on one line, its columns in their order. @param keys of `jsonKeys` */
export function jsonRow(keys: readonly string[], values: readonly JsonValue[]): string {
  let text = "";
  for (let at = 0; at < keys.length; at++) text += keys[at]! + JSON.stringify(values[at]);
  return `${text}}`;
}

/** The text around a row where each line names its table. */
export function taggedAround(table: string): readonly [string, string] {
  return [`{"table":${JSON.stringify(table)},"row":`, "}"];
}

/** The text around the rows of tables in one JSON document, in which each row has a line. */
export const DOCUMENT = {
  start: (table: string, first: boolean): string =>
    `${first ? "{" : ","}${JSON.stringify(table)}:[`,
  row: (first: boolean): string => (first ? "\n" : ",\n"),
  end: (empty: boolean): string => (empty ? "]" : "\n]"),
  /** The document's end. */
  close: (empty: boolean): string => (empty ? "{}\n" : "}\n"),
} as const;
