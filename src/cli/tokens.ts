import { type Scope, SCOPES } from "../plan/access.ts";
import { CliError, EXIT } from "./exit.ts";

/** Read a list with commas. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** Read a list of scopes. @throws CliError `usage` */
export function scopesOf(text: string): Scope[] {
  const words = listOf(text);
  const isScope = (word: string): word is Scope => (SCOPES as readonly string[]).includes(word);
  if (words.length > 0 && words.every(isScope)) return words;
  throw new CliError(EXIT.usage, `--scope takes ${SCOPES.join(", ")}; several with commas.`);
}

/** Say which databases a token reaches. */
export function databasesWord(databases: readonly string[] | null): string {
  return databases === null ? "all databases" : databases.join(", ");
}
