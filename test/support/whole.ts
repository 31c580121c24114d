import { env } from "cloudflare:workers";
import { zstdDecompress } from "../../src/format/bytes/codec.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { openImage, replayDump } from "../../src/sqlite/engine/open.ts";
import { manifestText } from "../../src/store/document.ts";
import { describeImage, pagesOf } from "./describe-image.ts";
import { chunksOf } from "./ltx.ts";
import { unpacked } from "./seekable-file.ts";

const { BUCKET } = env;

/**
 * List everything in a backup in the bucket, one line each; if it is not whole, return the reason instead.
 */
export async function contentOf(manifest: Manifest): Promise<string[]> {
  const text = await (await BUCKET.get(manifest.manifestKey))?.text();
  if (text !== manifestText(manifest)) return [`the manifest is ${text}`];
  const object = await BUCKET.get(manifest.key);
  if (object === null) return ["the bytes are gone"];
  const bytes = new Uint8Array(await object.arrayBuffer());
  try {
    const image =
      manifest.kind === "dump"
        ? await replayDump(zstdDecompress(chunksOf(bytes, bytes.length)))
        : await openImage(pagesOf(await unpacked(bytes)));
    try {
      return await describeImage(image);
    } finally {
      image.close();
    }
  } catch (thrown) {
    return [String(thrown)];
  }
}
