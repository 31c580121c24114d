/** Thrown by everything after a kill. */
export class KilledError extends Error {
  constructor() {
    super("killed");
  }
}

interface Fault {
  bucket: R2Bucket;
  db: D1Database;
  happened(): boolean;
  /** Which call failed. */
  what(): string;
}

const ASYNC = new Set([
  ...["head", "get", "put", "delete", "list", "createMultipartUpload"],
  ...["uploadPart", "complete", "abort"],
  ...["run", "all", "raw", "first", "batch", "exec"],
]);

/**
 * R2 and D1 of which one call fails: the `call`th to `part`, counted from 1. A `KilledError` makes
 * every later call to either fail as well, as when the Worker is gone.
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
  const wrap = <T extends object>(owner: string, target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        return (...args: unknown[]): unknown => {
          const method = String(name);
          if (ASYNC.has(method))
            return (async () => {
              before(owner, method);
              return wrapResult(owner, await Reflect.apply(member, object, args));
            })();
          return wrapResult(owner, Reflect.apply(member, object, args));
        };
      },
    });
  const wrapResult = (owner: string, result: unknown): unknown => {
    const kind = (result as object | null)?.constructor?.name ?? "";
    return /MultipartUpload|PreparedStatement/i.test(kind) ? wrap(owner, result as object) : result;
  };
  return {
    bucket: wrap("bucket", real.BUCKET),
    db: wrap("db", real.DB),
    happened: () => what !== "",
    what: () => what,
  };
}
