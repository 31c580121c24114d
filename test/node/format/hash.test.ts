import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { verified } from "../../../src/format/bytes/hash.ts";

const CHUNKS = ["one ", "two ", "three"].map((text) => new TextEncoder().encode(text));
const TEXT = "one two three";
const RIGHT = { bytes: TEXT.length, sha256: createHash("sha256").update(TEXT).digest("hex") };

async function* source(chunks = CHUNKS) {
  yield* chunks;
}

/** Collect the output, and the error that ended it. */
async function drain(bytes: AsyncIterable<Uint8Array>) {
  let text = "";
  try {
    for await (const chunk of bytes) text += new TextDecoder().decode(chunk);
    return { text };
  } catch (error) {
    return { text, code: (error as { code: string }).code };
  }
}

it("passes on what has the right length and hash", async () => {
  expect(await drain(verified(source(), RIGHT, "key"))).toEqual({ text: TEXT });
});

it("keeps the last chunk back when the hash or the length is another", async () => {
  const kept = { text: "one two ", code: "OBJECT_CORRUPT" };
  const wrongHash = { ...RIGHT, sha256: "0".repeat(64) };
  expect(await drain(verified(source(), wrongHash, "key"))).toEqual(kept);
  expect(await drain(verified(source(), { ...RIGHT, bytes: 14 }, "key"))).toEqual(kept);
  const short = await drain(verified(source(CHUNKS.slice(0, 2)), RIGHT, "key"));
  expect(short).toEqual({ text: "one ", code: "OBJECT_CORRUPT" });
});

it("leaves a source that goes on after the length that it should have", async () => {
  let asked = 0;
  async function* endless() {
    for (; asked < 1000; asked++) yield CHUNKS[0]!;
  }
  expect(await drain(verified(endless(), RIGHT, "key"))).toMatchObject({ code: "OBJECT_CORRUPT" });
  expect(asked).toBeLessThan(10);
});
