/**
 * Characters that must never reach a terminal, a line of a log or markup as it is: control characters (C0, DEL, C1),
 * which move the cursor and end lines; marks that turn the direction of text; line separators; the
 * byte order mark; halves of surrogate pairs and code points that are no characters.
 */
const UNPRINTABLE =
  /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/gu;

/** Words from outside as one line that shows what it is: ESC becomes `\x1b`, a turned direction `\u202e`. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
    return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\u{${code}}`;
  });
}

/** The same JSON, with what is not printable as `\u001b` inside of its texts; its own line breaks stay. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(UNPRINTABLE, (character) =>
    character === "\n" ? character : character.split("").map(unitEscape).join(""),
  );
}

/** One UTF-16 unit as JSON writes it. */
function unitEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The same for text of several lines, which stay. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
