import { env } from "cloudflare:workers";

const { BUCKET, DB } = env;
const TABLES = [
  ...["backups", "databases", "follows", "lineages", "links"],
  ...["methods", "runs", "segments", "uploads"],
];

/** Save everything in bucket and catalog; the returned function restores it. */
export async function saveWorld(): Promise<() => Promise<void>> {
  const objects: [string, ArrayBuffer, R2PutOptions][] = [];
  for (const { key } of (await BUCKET.list()).objects) {
    const object = (await BUCKET.get(key))!;
    const { httpMetadata, customMetadata } = object;
    objects.push([
      key,
      await object.arrayBuffer(),
      { ...(httpMetadata && { httpMetadata }), ...(customMetadata && { customMetadata }) },
    ]);
  }
  const statements = TABLES.map((name) => DB.prepare(`DELETE FROM ${name}`));
  for (const name of TABLES)
    for (const row of (await DB.prepare(`SELECT * FROM ${name}`).all()).results) {
      const columns = Object.keys(row);
      const places = columns.map(() => "?").join();
      statements.push(
        DB.prepare(`INSERT INTO ${name} (${columns.join()}) VALUES (${places})`).bind(
          ...Object.values(row),
        ),
      );
    }
  return async () => {
    const keys = (await BUCKET.list()).objects.map(({ key }) => key);
    if (keys.length > 0) await BUCKET.delete(keys);
    for (const [key, bytes, options] of objects) await BUCKET.put(key, bytes, options);
    await DB.batch(statements);
  };
}
