/** The error of every call after a kill. */
export class KilledError extends Error {
  constructor() {
    super("killed");
  }
}

interface Store {
  bucket: R2Bucket;
  db: D1Database;
}

interface Fault extends Store {
  happened(): boolean;
  /** Describes the call that failed. */
  what(): string;
}

const ASYNC = new Set([
  ...["head", "get", "put", "delete", "list", "createMultipartUpload"],
  ...["uploadPart", "complete", "abort"],
  ...["run", "all", "raw", "first", "batch", "exec"],
]);

/** Wrap R2 and D1, with `around` in place of every call to one of them. */
export function intercepted(
  real: { BUCKET: R2Bucket; DB: D1Database },
  around: (owner: string, method: string, call: () => Promise<unknown>) => Promise<unknown>,
): Store {
  const wrap = <T extends object>(owner: string, target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          const method = String(name);
          const call = (): unknown => Reflect.apply(member, object, args);
          if (ASYNC.has(method))
            return around(owner, method, async () => wrapResult(owner, await call()));
          return wrapResult(owner, call());
        };
      },
    });
  const wrapResult = (owner: string, result: unknown): unknown => {
    const kind = (result as object | null)?.constructor?.name ?? "";
    return /MultipartUpload|PreparedStatement/i.test(kind) ? wrap(owner, result as object) : result;
  };
  return { bucket: wrap("bucket", real.BUCKET), db: wrap("db", real.DB) };
}

/**
 * Wrap R2 and D1 so that one call fails: the `call`th to `part`, counted from 1. A `KilledError` makes every
 * later call to either fail as well, as if the Worker had died.
 */
export function failing(
  real: { BUCKET: R2Bucket; DB: D1Database },
  part: "bucket" | "db",
  call: number,
  error: () => Error,
): Fault {
  let calls = 0;
  let killed = false;
  let what = "";
  const before = (owner: string, name: string): void => {
    if (killed) throw new KilledError();
    if (owner !== part || ++calls !== call) return;
    what = name;
    const thrown = error();
    killed = thrown instanceof KilledError;
    throw thrown;
  };
  const store = intercepted(real, async (owner, method, go) => {
    before(owner, method);
    return go();
  });
  return { ...store, happened: () => what !== "", what: () => what };
}

/** R2 and D1 that fail at random. */
export interface Unreliable extends Store {
  /** Probability that a call fails, from now on. */
  fail: number;
  /** Calls until the Worker is killed; every later call fails. */
  killAfter: number;
  killed(): boolean;
}

/**
 * Wrap R2 and D1 so that calls fail at random, half of them after they have done their work. After a kill all
 * calls fail; it too comes before or after a call's work.
 */
export function unreliable(
  real: { BUCKET: R2Bucket; DB: D1Database },
  chance: () => number,
): Unreliable {
  let killed = false;
  const lost = async (call: () => Promise<unknown>, error: Error): Promise<never> => {
    if (chance() < 0.5) await call().catch(() => {});
    throw error;
  };
  const store = intercepted(real, async (_owner, method, call) => {
    if (killed) throw new KilledError();
    if (--state.killAfter <= 0) {
      killed = true;
      return lost(call, new KilledError());
    }
    return chance() < state.fail ? lost(call, new Error(`injected into ${method}`)) : call();
  });
  const state = { ...store, fail: 0, killAfter: Infinity, killed: () => killed };
  return state;
}
