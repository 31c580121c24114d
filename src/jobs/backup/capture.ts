import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { Manifest, Method } from "../../model/manifest.ts";
import { type Source, withoutToken } from "../../libsql/server.ts";
import { captureDump } from "./capture-dump.ts";
import { captureRows } from "./capture-rows.ts";
import { captureSnapshot } from "./capture-snapshot.ts";
import { otherMethod, withMethod } from "./method.ts";

/**
 * Make one attempt to pull a database into the bucket, by its pages if the server offers them. The
 * bytes are complete when this returns; the backup exists only once the returned manifest is written.
 *
 * @throws NightjarError for any failure; nothing is left in the bucket then
 */
export async function capture(
  context: Context,
  run: Run,
  database: DatabaseConfig,
): Promise<Manifest> {
  const source = await context.sourceOf(database);
  let method: Method | undefined;
  const by = (chosen: Method): Promise<Manifest> => {
    method = chosen;
    return captureBy(context, run, database, source, chosen);
  };
  return withoutToken(source, async () => {
    try {
      return await withMethod(context, database, by);
    } catch (thrown) {
      const { code } = asNightjarError(thrown);
      const other = method && (await otherMethod(context, database, method, code));
      if (other === undefined) throw thrown;
      log.info("source-read-otherwise", { database: database.name, ...other });
      return by(other).catch((later: unknown) => {
        // A server without a dump says less than the first error.
        throw asNightjarError(later).code === "SOURCE_NOT_FOUND" ? thrown : later;
      });
    }
  });
}

function captureBy(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
  method: Method,
): Promise<Manifest> {
  switch (method.protocol) {
    case "dump":
      return captureDump(context, run, database, source);
    case "rows":
      return captureRows(context, run, database, source, method);
    case "dbpage":
    case "pull-updates":
    case "replica":
    case "sync":
      return captureSnapshot(context, run, database, source, method);
  }
}
