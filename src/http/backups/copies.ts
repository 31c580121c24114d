import { Hono } from "hono";
import { existingBackup } from "../../catalog/backups.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { copyBackup } from "../../jobs/second-copy/copy.ts";
import type { HttpEnv } from "../hono-env.ts";
import { copyView } from "../views.ts";

/** `/v1/backups/:id/copy`: copy a backup to the second store now, or read back the copy that is there. */
export const copies = new Hono<HttpEnv>().post("/:id/copy", async (c) => {
  const { id, database } = await existingBackup(c.env.catalog, c.req.param("id"));
  try {
    return c.json({ backup: id, database, ...copyView(await copyBackup(c.env, id)) });
  } catch (thrown) {
    const error = asNightjarError(thrown);
    if (!FAILURES.has(error.code)) throw error;
    // As with a proof, what was found is the answer.
    const at = new Date(c.env.deps.now()).toISOString();
    const to = c.env.secondStore!.to;
    return c.json({
      backup: id,
      database,
      state: "failed" as const,
      at,
      to,
      error: error.report(),
    });
  }
});

/** Errors that mean the copy failed, as opposed to: could not be attempted. */
const FAILURES: ReadonlySet<string> = new Set([
  ...["COPY_UNREACHABLE", "COPY_REFUSED", "COPY_DIFFERS"],
  ...["OBJECT_MISSING", "OBJECT_CORRUPT", "STORE_FAILED"],
]);
