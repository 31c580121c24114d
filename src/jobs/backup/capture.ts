import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import type { Manifest } from "../../model/manifest.ts";
import { sourceOf, withoutToken } from "../../libsql/server.ts";
import { captureDump } from "./capture-dump.ts";
import { captureSnapshot } from "./capture-snapshot.ts";
import { withMethod } from "./method.ts";

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
  const source = sourceOf(database, context.config);
  return withoutToken(source, () =>
    withMethod(context, database, async (method) =>
      method.protocol === "dump"
        ? captureDump(context, run, database, source)
        : captureSnapshot(context, run, database, source, method),
    ),
  );
}
