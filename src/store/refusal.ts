import { messageOf, NightjarError, failAs } from "../errors/errors.ts";

/** R2's ObjectLockedByBucketPolicy: `delete: The object is locked by the bucket policy. (10069)`. */
const LOCKED = /\(10069\)|locked by the bucket policy/;

/**
 * Run `action`; an error of R2 becomes one whose message starts with `what`.
 *
 * @throws NightjarError `STORE_LOCKED` if a lock rule of the bucket refused, else `STORE_FAILED`
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

/** Return true if a lock rule of the bucket caused the error. */
export function isLocked(thrown: unknown): boolean {
  return thrown instanceof NightjarError && thrown.code === "STORE_LOCKED";
}
