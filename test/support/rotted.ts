import { env } from "cloudflare:workers";

const { BUCKET, DB } = env as unknown as { BUCKET: R2Bucket; DB: D1Database };

/**
 * From now on R2 holds other bytes under a key than were written, and says nothing of it: what was put
 * there has the version of what Nightjar wrote.
 */
export async function putRotted(
  key: string,
  bytes: Uint8Array | ArrayBuffer | string,
  options: R2PutOptions = {},
): Promise<void> {
  const { version } = await BUCKET.put(key, bytes, options);
  await DB.prepare("UPDATE objects SET version = ? WHERE key = ?").bind(version, key).run();
}
