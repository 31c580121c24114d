import { copyOf } from "../bytes/bytes.ts";
import { Decrypter, Encrypter } from "age-encryption";
import { messageOf, NightjarError } from "../../errors/errors.ts";

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Encryption to public keys in the format of age (https://age-encryption.org/v1), which any `age`
 * program opens with one of the identities that the recipients belong to.
 */

/** What is wrong with a recipient (`age1…`); undefined for one that can be encrypted to. */
export function recipientMistake(recipient: string): string | undefined {
  try {
    new Encrypter().addRecipient(recipient);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** What is wrong with an identity (`AGE-SECRET-KEY-1…`); never quotes it. */
export function identityMistake(identity: string): string | undefined {
  try {
    new Decrypter().addIdentity(identity);
    return undefined;
  } catch {
    return "it is no identity of age";
  }
}

/**
 * An age file of the bytes of `source`, in chunks of 64 KiB. A source that fails makes this fail: it
 * never ends like a whole file.
 */
export async function* encrypt(source: Bytes, recipients: readonly string[]): Bytes {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  yield* chunksOf(await encrypter.encrypt(streamOf(source)));
}

/**
 * The content of an age file, each chunk proven by its key before it is given, and the end too.
 *
 * @param identities one of which it must be for
 * @throws NightjarError `IDENTITY_UNFIT` when it is for none of them; `OBJECT_CORRUPT` for anything
 *   else; whatever `source` throws
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

/** The library takes streams and waits for their reader; what it is not asked for is not read. */
function streamOf(source: Bytes): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        // A copy: the stream asks for the next chunk, whose memory may be the same, before it is done.
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
    await reader.cancel().catch(() => {}); // a reader that leaves early lets the source go
  }
}
