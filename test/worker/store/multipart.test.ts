import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { writeManifest } from "../../../src/store/document.ts";
import { PART_BYTES, writeMultipart } from "../../../src/store/multipart.ts";
import { testContext } from "../../support/context.ts";

const { BUCKET } = env;
const { bucket } = testContext({});
const OPTIONS = { contentType: "application/octet-stream", onUpload: async () => {} };

/** Yield bytes that differ everywhere, in chunks of a size that divides nothing. */
async function* numbered(length: number): AsyncIterable<Uint8Array> {
  const size = 999_983;
  for (let at = 0; at < length; at += size) {
    const chunk = new Uint8Array(Math.min(size, length - at));
    for (let index = 0; index < chunk.length; index++) chunk[index] = ((at + index) * 31) >> 7;
    yield chunk;
  }
}

describe("writing in parts", () => {
  it.each([1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 4 * PART_BYTES + 12_345])(
    "stores %i bytes as they are",
    async (length) => {
      const key = `test/${length}`;
      await writeMultipart(bucket, key, numbered(length), OPTIONS);
      const stored = new Uint8Array(await (await BUCKET.get(key))!.arrayBuffer());
      expect(stored.length).toBe(length);
      const wrong = stored.findIndex((byte, at) => byte !== (((at * 31) >> 7) & 255));
      expect(wrong).toBe(-1);
    },
  );

  it("never overwrites an object, nor a manifest by another", async () => {
    await BUCKET.put("test/there", "first");
    await expect(writeMultipart(bucket, "test/there", numbered(10), OPTIONS)).rejects.toMatchObject(
      { code: "STORE_CONFLICT" },
    );
    const manifest = { manifestKey: "test/manifest.json", id: "a" };
    await writeManifest(bucket, manifest);
    await writeManifest(bucket, manifest); // a step that is retried
    const another = { ...manifest, id: "b" };
    await expect(writeManifest(bucket, another)).rejects.toMatchObject({
      code: "STORE_CONFLICT",
    });
    expect(await (await BUCKET.get("test/there"))!.text()).toBe("first");
    expect(await (await BUCKET.get("test/manifest.json"))!.json()).toEqual(manifest);
  });
});
