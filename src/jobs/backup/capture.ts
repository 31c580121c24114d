import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import type { Manifest } from "../../model/manifest.ts";
import { sourceOf, withoutToken } from "../../libsql/server.ts";
import { captureDump } from "./capture-dump.ts";
import { captureSnapshot } from "./capture-snapshot.ts";
import { withMethod } from "./method.ts";

/**
 * One attempt at pulling a database into the bucket, by its pages where the server offers them. The
 * bytes are complete when this returns; the backup exists only once the manifest that it returns is
 * written.
 *
 * @throws NightjarError for whatever goes wrong; then nothing is left in the bucket
 */
export async function capture(
  context: Context,
  run: Run,
  database: DatabaseConfig,
): Promise<Manifest> {
  const source = sourceOf(database, context.config.token(database));
  return withoutToken(source, () =>
    withMethod(context, database, async (method) =>
      method.protocol === "dump"
        ? captureDump(context, run, database, source)
        : captureSnapshot(context, run, database, source, method),
    ),
  );
}
