import { forgetMethod, knownMethod, recordMethod } from "../../catalog/methods.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Method } from "../../model/manifest.ts";
import { DAY } from "../../plan/duration.ts";
import { probe } from "../../source/probe.ts";
import { sourceOf } from "../../libsql/server.ts";

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
  const { catalog, config, deps } = context;
  const { name, url, capture } = database;
  if (capture === "dump")
    return { protocol: "dump", image: false, why: "the configuration asks for the dump" };
  const now = deps.now();
  const known = await knownMethod(catalog, name, url);
  let method = known?.method;
  if (known === undefined || method === undefined || now - known.probedAt > REMEMBER) {
    const found = await probe(sourceOf(database, config), deps);
    ({ method } = found);
    if (found.certain) await recordMethod(catalog, name, url, method, now);
    log.info("source-probed", { database: name, certain: found.certain, ...method });
  }
  if (database.recipients.length > 0) method = withoutLog(method);
  if (capture === "pages" && method.protocol === "dump")
    throw new NightjarError("PAGES_UNAVAILABLE", `The server offers no pages: ${method.why}.`);
  return method;
}

/**
 * Return a method that needs no page log: a log is merged in the bucket, which is impossible if
 * Nightjar cannot read it.
 */
function withoutLog({ image, why }: Method): Method {
  if (image) return { protocol: "dbpage", image, why: `${why}; encrypted, hence without a log` };
  const lacking = "encryption takes sqlite_dbpage, which is not offered";
  return { protocol: "dump", image, why: `${why}; ${lacking}` };
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
