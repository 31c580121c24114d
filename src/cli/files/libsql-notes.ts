import { encode } from "../../format/bytes/bytes.ts";
import { SqlScanner } from "../../format/sql/scanner.ts";

/** Start of a comment in Nightjar's SQL that holds a statement for libSQL only. */
const NEEDS_LIBSQL = " needs libSQL: ";

/**
 * Collects the statements for libSQL only from Nightjar's SQL. They are comments there: each line of one is
 * a comment, and the last one ends with a semicolon.
 */
export class LibsqlNotes {
  readonly #found: string[] = [];
  #lines: string[] | undefined;

  /** Take the next comment, without its dashes. */
  addComment(comment: string): void {
    if (comment.startsWith(NEEDS_LIBSQL)) {
      this.#end();
      this.#lines = [comment.slice(NEEDS_LIBSQL.length)];
    } else this.#lines?.push(comment.slice(1));
    if (this.#lines !== undefined && isStatement(this.#lines.join("\n"))) this.#end();
  }

  /** Take notice of a statement that is no comment. */
  passStatement(): void {
    this.#end();
  }

  /** Return the statements so far, as the database had them: without a semicolon at the end. */
  statements(): string[] {
    this.#end();
    return this.#found;
  }

  #end(): void {
    if (this.#lines !== undefined) this.#found.push(this.#lines.join("\n").replace(/;\s*$/, ""));
    this.#lines = undefined;
  }
}

/** Return true if the text is one whole statement. */
function isStatement(sql: string): boolean {
  let statements = 0;
  const scanner = new SqlScanner(() => statements++);
  scanner.push(encode(sql));
  return scanner.complete && statements === 1;
}
