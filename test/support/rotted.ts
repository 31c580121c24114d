import { env } from "cloudflare:workers";

const { BUCKET, DB } = env;

/** Replace the bytes under a key in R2 without a trace: the version stays the one that Nightjar wrote. */
export async function putRotted(
  key: string,
  bytes: Uint8Array | ArrayBuffer | string,
  options: R2PutOptions = {},
): Promise<void> {
  const { version } = await BUCKET.put(key, bytes, options);
  await DB.prepare("UPDATE objects SET version = ? WHERE key = ?").bind(version, key).run();
}
