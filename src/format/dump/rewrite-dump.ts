import { concat, encode } from "../bytes/bytes.ts";
import { SqlScanner, type Statement } from "../sql/scanner.ts";

/** Bytes of the longest statement that is held whole. */
export const LONGEST_REWRITTEN = 32 * 1024 * 1024;
const LINE = encode("\n");

/**
 * Rewrite a dump statement by statement, each piece on a line of its own.
 *
 * @param rewrite returns what replaces a statement. Of a statement longer than `LONGEST_REWRITTEN` it gets
 *   only the beginning, and must refuse it
 * @throws what `dump` and `rewrite` throw
 */
export async function* rewriteDump(
  dump: AsyncIterable<Uint8Array>,
  rewrite: (statement: Statement) => readonly Uint8Array[],
): AsyncIterable<Uint8Array> {
  let kept: Uint8Array[] = [];
  const scanner = new SqlScanner((statement) => {
    for (const piece of rewrite(statement)) kept.push(piece, LINE);
  }, LONGEST_REWRITTEN);
  for await (const chunk of dump) {
    scanner.push(chunk);
    if (kept.length === 0) continue;
    yield concat(kept);
    kept = [];
  }
}
