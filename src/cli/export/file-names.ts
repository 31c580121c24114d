import { createHash } from "node:crypto";

/** Bytes of a name at most, apart from its ending: file systems take 255. */
const LONGEST = 120;
/** Names that a folder of an export has for itself, and those that Windows has. */
const TAKEN = /^(export|schema|con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * Return the name of a table's file, without its ending. Letters, digits, `_` and `-` stay; all else becomes
 * `%` and two digits, so that the name is the same on every file system, and no path.
 */
export function fileNameOf(table: string): string {
  let name = "";
  for (const byte of Buffer.from(table)) {
    const one = String.fromCharCode(byte);
    name += /[\w-]/.test(one) ? one : escaped(byte);
  }
  if (name === "") return "%";
  const isSafe = !TAKEN.test(name) && !name.startsWith("-");
  const safe = isSafe ? name : escaped(name.charCodeAt(0)) + name.slice(1);
  if (safe.length <= LONGEST) return safe;
  const hash = createHash("sha256").update(table).digest("hex").slice(0, 16);
  return `${safe.slice(0, LONGEST - hash.length - 1)}~${hash}`;
}

function escaped(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Return true for a name that an export gives to a file. */
export function isFileName(name: string): boolean {
  return /^[\w%~-]{1,128}\.(ndjson|json|csv|parquet|sql)$/.test(name) && name !== "export.json";
}
