import { forgetMethod, knownMethod, recordMethod } from "../../catalog/methods.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Method } from "../../model/manifest.ts";
import { DAY } from "../../plan/duration.ts";
import { probe } from "../../source/probe.ts";
import { sourceOf } from "../../libsql/server.ts";

/** A server may learn a better way with its next version: it is asked again after so long, ms. */
const REMEMBER = 7 * DAY;

/**
 * How a database is read: as configured, or as its server offers. The answer is remembered if it is certain.
 *
 * @throws NightjarError when the server cannot be asked; `PAGES_UNAVAILABLE` where pages are
 * configured and none are offered
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
    const found = await probe(sourceOf(database, config.token(database)), deps);
    ({ method } = found);
    if (found.certain) await recordMethod(catalog, name, url, method, now);
    log.info("source-probed", { database: name, certain: found.certain, ...method });
  }
  if (database.recipients.length > 0) method = withoutLog(method);
  if (capture === "pages" && method.protocol === "dump")
    throw new NightjarError("PAGES_UNAVAILABLE", `The server offers no pages: ${method.why}.`);
  return method;
}

/** A page log is merged in the bucket, which Nightjar could not do with what it cannot read. */
function withoutLog({ image, why }: Method): Method {
  if (image) return { protocol: "dbpage", image, why: `${why}; encrypted, hence without a log` };
  const lacking = "encryption takes sqlite_dbpage, which is not offered";
  return { protocol: "dump", image, why: `${why}; ${lacking}` };
}

/**
 * Do something by a database's method. A server that no longer knows the way in which it was read is
 * asked anew next time.
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
