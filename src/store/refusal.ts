import { messageOf, NightjarError, failAs } from "../errors/errors.ts";

/** R2's ObjectLockedByBucketPolicy: `delete: The object is locked by the bucket policy. (10069)`. */
const LOCKED = /\(10069\)|locked by the bucket policy/;

/**
 * Run `action`; what R2 throws becomes an error whose message starts with `what`.
 *
 * @throws NightjarError `STORE_LOCKED` where a lock rule of the bucket refused, else `STORE_FAILED`
 */
export function failAsStore<T>(what: string, action: () => Promise<T>): Promise<T> {
  return failAs("STORE_FAILED", what, async () => {
    try {
      return await action();
    } catch (thrown) {
      if (!LOCKED.test(messageOf(thrown))) throw thrown;
      throw new NightjarError("STORE_LOCKED", `${what}: ${messageOf(thrown)}`, { cause: thrown });
    }
  });
}

/** Whether a lock rule of the bucket was what refused. */
export function isLocked(thrown: unknown): boolean {
  return thrown instanceof NightjarError && thrown.code === "STORE_LOCKED";
}
