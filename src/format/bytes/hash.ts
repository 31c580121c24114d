import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { createHash } from "node:crypto";

/** Counts and hashes (SHA-256) the bytes that pass through. */
export class Meter {
  readonly #hash = createHash("sha256");
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  /** Return the SHA-256 in hexadecimal. No update may follow. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** Name some bytes or a text by the first half of its SHA-256: 32 hexadecimal digits. */
export function fingerprint(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex").slice(0, 32);
}

/** Yield `source` unchanged, and call `watch` with each chunk before it is passed on. */
export async function* tap(
  source: AsyncIterable<Uint8Array>,
  watch: (chunk: Uint8Array) => void,
): AsyncIterable<Uint8Array> {
  for await (const chunk of source) {
    watch(chunk);
    yield chunk;
  }
}

/**
 * Yield `source` unchanged, but pass on its last chunk only when the whole has the expected length and
 * hash.
 *
 * @throws NightjarError `OBJECT_CORRUPT`
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: { bytes: number; sha256: string },
  key: string,
): AsyncIterable<Uint8Array> {
  const meter = new Meter();
  let held: Uint8Array | undefined;
  try {
    for await (const chunk of source) {
      meter.update(chunk);
      if (meter.bytes > expected.bytes) break; // longer than expected, perhaps without end
      if (held !== undefined) yield held;
      held = chunk;
    }
  } catch (thrown) {
    throw asNightjarError(thrown, "OBJECT_CORRUPT");
  }
  if (meter.bytes !== expected.bytes || meter.digest() !== expected.sha256)
    throw new NightjarError("OBJECT_CORRUPT", `${key} does not hold what was written to it.`);
  if (held !== undefined) yield held;
}
