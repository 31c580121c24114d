/**
 * Wrap a bucket with a lock rule on some prefixes: it refuses to delete or overwrite what exists, with R2's
 * message, and before it checks a put's condition, as R2 does.
 */
export function lockedBucket(bucket: R2Bucket, prefixes: readonly string[]): R2Bucket {
  const holds = async (key: string): Promise<boolean> =>
    prefixes.some((prefix) => key.startsWith(prefix)) && (await bucket.head(key)) !== null;
  const refuse = (what: string) => {
    throw new Error(`${what}: The object is locked by the bucket policy. (10069)`);
  };
  return new Proxy(bucket, {
    get(target, name) {
      if (name === "delete")
        return async (keys: string | string[]) => {
          for (const key of [keys].flat()) if (await holds(key)) refuse("delete");
          return target.delete(keys);
        };
      if (name === "put")
        return async (...args: Parameters<R2Bucket["put"]>) => {
          if (await holds(args[0])) refuse("put");
          return target.put(...args);
        };
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
