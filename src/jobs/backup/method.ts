import { forgetMethod, knownMethod, recordMethod } from "../../catalog/fleet/methods.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, type ErrorCode, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Method } from "../../model/manifest.ts";
import { DAY } from "../../plan/duration.ts";
import { probe } from "../../source/probe.ts";
import { offersRows } from "../../source/rows/transaction.ts";

/** Time for which a method is remembered, ms: a server may learn a better one with its next version. */
const REMEMBER = 7 * DAY;

/**
 * Choose how to read a database: as configured, or as its server offers. The server's answer is
 * recorded if it is certain.
 *
 * @throws NightjarError if the server cannot be asked; `PAGES_UNAVAILABLE` if pages are configured and
 *   none are offered
 */
async function methodFor(context: Context, database: DatabaseConfig): Promise<Method> {
  const { catalog, deps } = context;
  const { name, url, capture } = database;
  if (capture === "dump" || capture === "rows")
    return { protocol: capture, image: false, why: `the configuration asks for ${capture}` };
  const now = deps.now();
  const known = await knownMethod(catalog, name, url);
  let method = known?.method;
  if (known === undefined || method === undefined || now - known.probedAt > REMEMBER) {
    const found = await probe(await context.sourceOf(database), deps);
    ({ method } = found);
    if (found.certain) await recordMethod(catalog, name, url, method, now);
    log.info("source-probed", { database: name, certain: found.certain, ...method });
  }
  if (database.recipients.length > 0) method = await withoutLog(context, database, method);
  if (capture === "pages" && (method.protocol === "dump" || method.protocol === "rows"))
    throw new NightjarError("PAGES_UNAVAILABLE", `The server offers no pages: ${method.why}.`);
  return method;
}

/**
 * Return a method that needs no page log: a log is merged in the bucket, which is impossible if
 * Nightjar cannot read it.
 */
async function withoutLog(
  context: Context,
  database: DatabaseConfig,
  { protocol, image, why }: Method,
): Promise<Method> {
  if (image) return { protocol: "dbpage", image, why: `${why}; encrypted, hence without a log` };
  if (protocol === "rows" || protocol === "dump") return { protocol, image, why };
  const lacking = `${why}; encryption takes sqlite_dbpage, which is not offered`;
  const rows = await rowsMethod(context, database, lacking);
  return rows ?? { protocol: "dump", image, why: lacking };
}

/** Return the method of reading rows; undefined if the server offers none. */
async function rowsMethod(
  context: Context,
  database: DatabaseConfig,
  why: string,
): Promise<Method | undefined> {
  try {
    await offersRows(await context.sourceOf(database), context.deps);
    return { protocol: "rows", image: false, why };
  } catch (thrown) {
    if (asNightjarError(thrown).code === "SOURCE_NOT_FOUND") return undefined;
    throw thrown;
  }
}

/**
 * Run an action with a database's method. If the server no longer knows that method, it is asked again
 * next time.
 *
 * @throws NightjarError as `methodFor`, and whatever `action` throws
 */
export async function withMethod<T>(
  context: Context,
  database: DatabaseConfig,
  action: (method: Method) => Promise<T>,
): Promise<T> {
  const method = await methodFor(context, database);
  try {
    return await action(method);
  } catch (thrown) {
    if (asNightjarError(thrown).code === "SOURCE_NOT_FOUND" && method.protocol !== "dump")
      await forgetMethod(context.catalog, database.name);
    throw thrown;
  }
}

/** Errors that say that a server's pages are not the whole database, or not in the clear. */
const NOT_WHOLE: readonly ErrorCode[] = ["SOURCE_MVCC", "SOURCE_ENCRYPTED", "PAGES_INCOMPLETE"];

/**
 * Return the method to read a database by whose pages do not hold all of it, or whose rows cannot be read;
 * undefined if there is none, or the error is another. That pages do not do is recorded: they are not asked
 * for again before the method is forgotten.
 */
export async function otherMethod(
  context: Context,
  database: DatabaseConfig,
  { protocol }: Method,
  code: ErrorCode,
): Promise<Method | undefined> {
  if (database.capture !== "auto") return undefined;
  if (protocol === "rows")
    return code === "ROWS_UNAVAILABLE"
      ? { protocol: "dump", image: false, why: "its rows cannot be read by SQL (ROWS_UNAVAILABLE)" }
      : undefined;
  if (!NOT_WHOLE.includes(code)) return undefined;
  const why = `its pages do not hold the database as it is (${code}); rows are read by SQL`;
  const rows = await rowsMethod(context, database, why);
  const { name, url } = database;
  if (rows !== undefined) await recordMethod(context.catalog, name, url, rows, context.deps.now());
  return rows;
}
