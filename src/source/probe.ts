import type { Deps } from "../core/deps.ts";
import { asNightjarError, messageOf, NightjarError } from "../errors/errors.ts";
import type { Method } from "../model/manifest.ts";
import { imageSource, offersImage } from "./dbpage.ts";
import type { PageSource } from "./pages.ts";
import { lacksNamespace, named, replicaSource, sayHello } from "./replica/replica.ts";
import { offersRows } from "./rows/transaction.ts";
import type { Source } from "../libsql/server.ts";
import { probeSync, syncSource } from "./sync/sync.ts";
import { probeUpdates, updatesSource } from "./updates/updates.ts";

/** The result of a probe. */
interface Finding {
  readonly method: Method;
  /** False if the server failed at a better method, which it may yet offer: do not remember the result. */
  readonly certain: boolean;
}

/**
 * Find the best method that a server offers: the two protocols of Turso's clients, libSQL's replication,
 * whole images, rows by SQL, or the dump.
 *
 * @throws NightjarError when the server cannot be reached, refuses the token or has no such namespace; then
 *   nothing is known
 */
export async function probe(source: Source, deps: Deps): Promise<Finding> {
  let certain = true;
  const found: string[] = [];
  const offers = async (what: string, isOffered: () => Promise<boolean>): Promise<boolean> => {
    try {
      if (await isOffered()) return true;
      found.push(`no ${what}`);
    } catch (thrown) {
      const { code } = asNightjarError(named(thrown));
      const unknown = code === "SOURCE_NOT_FOUND" || code === "PAGES_INVALID";
      if (!unknown || lacksNamespace(thrown)) throw named(thrown);
      found.push(`no ${what} (${messageOf(thrown).slice(0, 120)})`);
    }
    return false;
  };
  const because = (last: string) => [...found, last].join("; ");

  const method = (protocol: Method["protocol"], image: boolean, last: string): Finding => ({
    method: { protocol, image, why: because(last) },
    certain,
  });
  const ofTurso = (isOffered: () => Promise<boolean>) => async () => {
    try {
      return await isOffered();
    } catch (thrown) {
      // sqld never fails here; another server that does can still be read by its other methods.
      if (asNightjarError(thrown).code !== "SOURCE_ERROR") throw thrown;
      certain = false;
      return false;
    }
  };

  const updates = ofTurso(async () => {
    const isOffered = await probeUpdates(source, deps);
    // One that answers without a page may have some once something was written.
    certain = isOffered;
    return isOffered;
  });
  const rows = async () =>
    (await offers("rows over SQL", () => offersRows(source, deps)))
      ? method("rows", false, "rows are read by SQL")
      : undefined;
  try {
    if (await offers("pull-updates", updates))
      return method("pull-updates", false, "the server gives its pages by revision (pull-updates)");
  } catch (thrown) {
    const { code, message } = asNightjarError(thrown);
    if (code !== "SOURCE_MVCC" && code !== "SOURCE_ENCRYPTED") throw thrown;
    // No other protocol's pages hold more.
    found.push(`no pages (${message})`);
    const bySql = await rows();
    if (bySql === undefined) throw thrown;
    return bySql;
  }
  const sync = ofTurso(() => probeSync(source, deps));
  if (await offers("sync protocol", sync))
    return method("sync", false, "Turso's sync protocol is offered");
  const image = await offers("sqlite_dbpage", () => offersImage(source, deps));
  const replica = await offers("replication", async () => {
    await sayHello(source, deps);
    return true;
  });
  if (replica) {
    const base = image ? "sqlite_dbpage gives its base" : "its log gives the base too";
    return method("replica", image, `replication is offered, ${base}`);
  }
  if (image) return method("dbpage", image, "sqlite_dbpage is offered");
  return (await rows()) ?? method("dump", image, "the dump is left");
}

/**
 * Return the source of pages for a method that a probe found.
 *
 * @throws NightjarError `PAGES_UNAVAILABLE` if only rows or the dump are left
 */
export function pageSource(
  { protocol, image, why }: Method,
  source: Source,
  deps: Deps,
): PageSource {
  switch (protocol) {
    case "pull-updates":
      return updatesSource(source, deps);
    case "sync":
      return syncSource(source, deps);
    case "replica":
      return replicaSource(source, deps, image);
    case "dbpage":
      return imageSource(source, deps);
    case "rows":
    case "dump":
      throw new NightjarError("PAGES_UNAVAILABLE", `The server offers no pages: ${why}.`);
  }
}
