import type { DiffDone, DiffObject, DiffRow, DiffSides, DiffTable } from "../../model/diff-line.ts";
import { moment, paint, type Painted, print, printAside, printTable } from "../output.ts";

/** Characters of a value that are shown. */
const SHOWN = 60;

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;
const STYLES = { added: "green", removed: "red", changed: "yellow" } as const;

type Change = keyof typeof SIGNS;

function sign(change: Change): Painted {
  return paint(STYLES[change], SIGNS[change]);
}

/** Say what is compared with what. */
export function showSides(db: string, { from, to }: DiffSides): void {
  const words = ({ backup, asOf }: DiffSides["from"]) =>
    backup === null ? asOf : `backup ${backup} (${moment(asOf)})`;
  print(paint("bold", db), `: ${words(from)}`);
  print(`${" ".repeat(db.length)}→ ${words(to)}`);
}

/**
 * Show what differs: objects of the schema, and the number of rows of each table.
 *
 * @param texts true to show the text of each object too
 */
export function showSummary(found: DiffDone, texts = false): void {
  const { different, objects, settings, tables, compared, pages } = found;
  if (objects.length + settings.length > 0) print("");
  for (const object of objects) showObject(object, texts);
  for (const { name, from, to } of settings)
    print(sign("changed"), ` PRAGMA ${name}: ${from} → ${to}`);
  if (tables.length > 0) {
    print("");
    printTable([
      ["", "table", "added", "removed", "changed"],
      ...tables.map((table) => [
        sign(table.change),
        nameOf(table),
        countOf("+", table.added, "green"),
        countOf("-", table.removed, "red"),
        countOf("~", table.changed, "yellow"),
      ]),
    ]);
  }
  for (const { name, newColumns, lostColumns } of tables) {
    const columns = [
      ...newColumns.map((column) => `+${column}`),
      ...lostColumns.map((column) => `-${column}`),
    ];
    if (columns.length > 0) print(`${name}: columns ${columns.join(", ")}, not compared`);
  }
  if (!different) print(`Nothing differs in ${compared} tables.`);
  printAside(paint("dim", `Read ${pages.read} of ${pages.of} pages.`));
}

function showObject({ change, type, name, table, from, to }: DiffObject, texts: boolean): void {
  const on = type === "index" || type === "trigger" ? ` on ${table}` : "";
  print(sign(change), ` ${type} ${name}${on}`);
  if (!texts) return;
  for (const line of from?.split("\n") ?? []) print("    ", paint("red", `- ${line}`));
  for (const line of to?.split("\n") ?? []) print("    ", paint("green", `+ ${line}`));
}

function nameOf({ name, owner }: DiffTable): string {
  return owner === null ? name : `${name} (of ${owner})`;
}

function countOf(mark: string, count: number, style: Painted["style"]): Painted | string {
  return count === 0 ? "" : paint(style, `${mark}${count}`);
}

/** Show one row: `~ orders id=42  status: 'open' → 'paid'`. */
export function showRow(row: DiffRow): void {
  const key = row.key?.map(([name, value]) => `${name}=${shown(value)}`).join(" ") ?? "";
  const values =
    row.change === "changed"
      ? row.values.map(([name, from, to]) => `${name}: ${shown(from)} → ${shown(to)}`)
      : row.values.map(([name, value]) => `${name}: ${shown(value)}`);
  print(sign(row.change), ` ${row.table} ${key}  ${values.join(", ")}`);
}

/** A value for people; a long one is cut. */
export function shown(value: unknown): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return `'${cut(value)}'`;
  if (typeof value !== "object") return String(value);
  const [[kind, text] = ["", ""]] = Object.entries(value as Record<string, string>);
  if (kind === "integer" || kind === "real") return text;
  const bytes = Buffer.from(text, "base64");
  return kind === "blob" ? `x'${cut(bytes.toString("hex"))}'` : `'${cut(bytes.toString())}'`;
}

function cut(text: string): string {
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${text.length})`;
}
