/**
 * Yield the lines of a text in UTF-8, without their line feeds.
 *
 * @throws Error for text that is not UTF-8, or that ends within a line
 */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let rest = "";
  for await (const text of textOf(bytes)) {
    const lines = text.split("\n");
    lines[0] = rest + lines[0]!;
    rest = lines.pop()!;
    if (lines.length > 0) yield lines;
  }
  if (rest !== "") throw new Error("the last line is cut");
}

/** Yield a text in UTF-8, piece by piece. @throws Error for text that is not UTF-8 */
export async function* textOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for await (const chunk of bytes) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}
