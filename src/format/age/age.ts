import { copyOf } from "../bytes/bytes.ts";
import { Decrypter, Encrypter } from "age-encryption";
import { messageOf, NightjarError } from "../../errors/errors.ts";

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Encryption to public keys in the format of age (https://age-encryption.org/v1). Any `age` program can
 * decrypt it with one of the identities that the recipients belong to.
 */

/** Check a recipient (`age1…`). Return what is wrong with it, or undefined if it can be encrypted to. */
export function recipientMistake(recipient: string): string | undefined {
  try {
    new Encrypter().addRecipient(recipient);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** Check an identity (`AGE-SECRET-KEY-1…`). Return what is wrong with it, or undefined; never quote it. */
export function identityMistake(identity: string): string | undefined {
  try {
    new Decrypter().addIdentity(identity);
    return undefined;
  } catch {
    return "it is no identity of age";
  }
}

/**
 * Encrypt `source` into an age file, in chunks of 64 KiB. If the source fails, this fails too: the output
 * never ends like a whole file.
 */
export async function* encrypt(source: Bytes, recipients: readonly string[]): Bytes {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  yield* chunksOf(await encrypter.encrypt(streamOf(source)));
}

/**
 * Decrypt an age file. Each chunk is authenticated before it is yielded, and so is the end of the file.
 *
 * @param identities the file must be encrypted to one of them
 * @throws NightjarError `IDENTITY_UNFIT` when it is encrypted to none of them; `OBJECT_CORRUPT` for
 *   anything else; whatever `source` throws
 */
export async function* decrypt(source: Bytes, identities: readonly string[]): Bytes {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    yield* chunksOf(await decrypter.decrypt(streamOf(source)));
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    if (messageOf(thrown).includes("no identity matched"))
      throw new NightjarError("IDENTITY_UNFIT", "The backup is not encrypted to this identity.");
    throw new NightjarError("OBJECT_CORRUPT", `It cannot be decrypted: ${messageOf(thrown)}.`, {
      cause: thrown,
    });
  }
}

/** Turn `source` into the stream that the library takes. It reads a chunk only when asked for one. */
function streamOf(source: Bytes): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        // Copy it: the stream asks for the next chunk, which may use the same memory, before it is done
        // with this one.
        else controller.enqueue(copyOf(next.value));
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

async function* chunksOf(stream: ReadableStream<Uint8Array>): Bytes {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {}); // closes the source when the reader leaves early
  }
}
