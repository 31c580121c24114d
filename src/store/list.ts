import { orFail } from "../errors.ts";

/**
 * Every key that starts with `prefix`.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function listKeys(bucket: R2Bucket, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await orFail("STORE_FAILED", `listing ${prefix}`, () =>
      bucket.list({ prefix, ...(cursor === undefined ? {} : { cursor }) }),
    );
    keys.push(...page.objects.map(({ key }) => key));
    if (!page.truncated) return keys;
    cursor = page.cursor;
  }
}
