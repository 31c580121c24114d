/**
 * Bounded reading of answers that should be small. The other side (a server, a proxy before it, a
 * store) may send without end: no more is read than what is wanted, and the rest is cancelled.
 */

/** The words of an error or of a version: longer ones are cut; bytes. */
export const WORDS = 16 * 1024;

/** The start of a body. */
export interface BodyStart {
  /** At most as many bytes as were wanted. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** True if the body ends there. */
  readonly whole: boolean;
}

type Body = ReadableStream<Uint8Array> | null;

/**
 * Read the first `most` bytes of a body, and cancel what is longer.
 *
 * @throws whatever the connection throws
 */
export async function readStart(body: Body, most: number): Promise<BodyStart> {
  if (body === null) return { bytes: new Uint8Array(), whole: true };
  const reader = body.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  while (length <= most) {
    const { value, done } = await reader.read();
    if (done) return { bytes: joined(pieces, length), whole: true };
    pieces.push(value);
    length += value.length;
  }
  await reader.cancel().catch(() => undefined); // the connection may have broken meanwhile
  return { bytes: joined(pieces, most), whole: false };
}

/** The first `most` bytes of a body as text; the rest is cancelled. @throws whatever the connection throws */
export async function readText({ body }: { body: Body }, most = WORDS): Promise<string> {
  return new TextDecoder().decode((await readStart(body, most)).bytes);
}

/**
 * A body of at most `most` bytes.
 *
 * @throws Error for one that is longer; whatever the connection throws
 */
export async function readWhole(body: Body, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const { bytes, whole } = await readStart(body, most);
  if (whole) return bytes;
  throw new Error(`the answer has more than ${most} bytes`);
}

/** The same as JSON. @throws Error for one that is longer or no JSON; whatever the connection throws */
export async function readJson({ body }: { body: Body }, most: number): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await readWhole(body, most)));
}

/**
 * Read the lines of a body while they come; a last one without its line break is left out.
 *
 * @param most characters of a line
 * @throws Error for one that is longer; whatever the connection throws
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  most: number,
): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    if (rest.length > most) throw new Error("it has a line without end");
    yield* lines;
  }
}

/** Return true if the body is compressed although nobody asked for it. It may be a bomb: never decompress it. */
export function isEncoded({ headers }: { headers: Headers }): boolean {
  const encoding = headers.get("content-encoding");
  return encoding !== null && encoding !== "identity";
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(0, length - at);
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
