import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { findBackup } from "../../src/catalog/backups.ts";
import { backups } from "../../src/catalog/schema.ts";
import type { Context } from "../../src/worker/context.ts";
import { zstdCompress, zstdDecompress } from "../../src/format/bytes/codec.ts";
import { pagesInFile } from "../../src/format/pages/database-file.ts";
import { Meter } from "../../src/format/bytes/hash.ts";
import { seekableCompress } from "../../src/format/bytes/seekable.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { manifestText } from "../../src/store/document.ts";
import { gather } from "../../src/format/bytes/bytes.ts";
import { chunksOf } from "./ltx.ts";
import { putRotted } from "./rotted.ts";
import { unpacked } from "./seekable-file.ts";

const { BUCKET } = env;

/**
 * Replace a stored snapshot by another one whose bytes and manifest agree with each other, but not with what
 * was captured.
 */
export async function alter(
  { catalog }: Context,
  id: string,
  change: (file: Uint8Array, pageSize: number) => void,
  facts: (manifest: Manifest) => Partial<Manifest> = () => ({}),
): Promise<Manifest> {
  const { manifest } = (await findBackup(catalog, id))!;
  const stored = await (await BUCKET.get(manifest.key))!.arrayBuffer();
  const file = await unpacked(new Uint8Array(stored));
  const { pageSize } = manifest.snapshot!;
  change(file, pageSize);
  const pages = pagesInFile(chunksOf(file, pageSize), pageSize);
  const bytes = await gather(seekableCompress(pages, () => {}));
  return putAltered(catalog, manifest, file, bytes, facts(manifest));
}

/** Replace a stored dump by another one whose bytes and manifest agree. */
export async function alterDump(
  { catalog }: Context,
  id: string,
  change: (sql: string) => string,
  facts: (manifest: Manifest) => Partial<Manifest> = () => ({}),
): Promise<void> {
  const { manifest } = (await findBackup(catalog, id))!;
  const stored = new Uint8Array(await (await BUCKET.get(manifest.key))!.arrayBuffer());
  const before = new TextDecoder().decode(await gather(zstdDecompress(chunksOf(stored))));
  const sql = new TextEncoder().encode(change(before));
  const bytes = await gather(zstdCompress(chunksOf(sql)));
  await putAltered(catalog, manifest, sql, bytes, facts(manifest));
}

/** Store other bytes under a backup's keys, with a manifest that fits them; update the catalog too. */
async function putAltered(
  catalog: Context["catalog"],
  manifest: Manifest,
  content: Uint8Array,
  bytes: Uint8Array,
  facts: Partial<Manifest>,
): Promise<Manifest> {
  const hashed = (of: Uint8Array) => {
    const meter = new Meter();
    meter.update(of);
    return { bytes: meter.bytes, sha256: meter.digest() };
  };
  const altered = { ...manifest, raw: hashed(content), stored: hashed(bytes), ...facts };
  await putRotted(altered.key, bytes);
  await putRotted(altered.manifestKey, manifestText(altered));
  await catalog.update(backups).set({ manifest: altered }).where(eq(backups.id, altered.id)).run();
  return altered;
}
