import { quoteName, quoteText } from "../../format/sql/quote.ts";

/** A state of a row, as its history tells it. */
interface RowState {
  readonly asOf: string;
  readonly backup: string | null;
  readonly txid: number | null;
  readonly change: string;
}

type Key = readonly (readonly [name: string, value: unknown])[];

/** Write the command that brings a row back as it was in a state. */
export function restoreLine(db: string, table: string, key: Key, state: RowState): string {
  const from = state.backup === null ? `--at ${state.asOf}` : `--backup ${state.backup}`;
  const words = [
    "nightjar restore",
    word(db),
    "--rows",
    word(table),
    "--where",
    word(whereOf(key)),
  ];
  return [...words, from, "--to-database", word(db), "--dry-run"].join(" ");
}

function whereOf(key: Key): string {
  return key.map(([name, value]) => `${nameOf(name)} = ${literal(value)}`).join(" and ");
}

function nameOf(name: string): string {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : quoteName(name);
}

/** Write a value of JSON as SQL. */
function literal(value: unknown): string {
  if (typeof value === "string") return quoteText(value);
  if (typeof value !== "object" || value === null) return String(value);
  const [[kind, text] = ["", ""]] = Object.entries(value as Record<string, string>);
  if (kind === "integer" || kind === "real") return text;
  const hex = `x'${Buffer.from(text, "base64").toString("hex")}'`;
  return kind === "blob" ? hex : `CAST(${hex} AS TEXT)`;
}

/** Quote a word for a POSIX shell, in double quotes where that reads well. */
function word(text: string): string {
  if (/^[\w.:@/-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll("'", String.raw`'\''`)}'` : `"${text}"`;
}
