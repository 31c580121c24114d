import { Hono } from "hono";
import * as v from "valibot";
import { existingBackup } from "../../catalog/backups.ts";
import { queryBackup } from "../../read/query.ts";
import { refuseFormat } from "../../read/derive.ts";
import { erasuresOfBackup, refuseFile } from "../../read/erasures.ts";
import { pinBackup, unpinBackup } from "../../jobs/retention/pin.ts";
import { fingerprint } from "../../format/bytes/hash.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { proofsOf, prove } from "../../jobs/proof/prove.ts";
import { copyBackup } from "../../jobs/second-copy/copy.ts";
import { knownBad } from "../../model/proof.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { requireApproval } from "../access/approval.ts";
import { needs, note } from "../access/needs.ts";
import { grantFor } from "../links/link-url.ts";
import { linkFields, makeLink } from "../links/links.ts";
import { querySchema, text } from "../fields.ts";
import { backupView, copyView, manifestView } from "../views.ts";
import { restoreBackup } from "./restore.ts";

const newPinSchema = v.strictObject({
  reason: v.optional(text(200), "pinned by hand"),
});

const newLinkSchema = v.strictObject(linkFields);

/** `/v1/backups`: one backup by its id, and everything that is done with it. */
export const backups = new Hono<HttpEnv>()
  .get("/:id", needs("read", "backup"), async (c) => {
    const backup = await existingBackup(c.env.catalog, c.req.param("id"));
    return c.json(backupView(backup));
  })

  .post(
    "/:id/links",
    needs("download", "backup", "link"),
    input("json", newLinkSchema),
    async (c) => {
      const backup = await existingBackup(c.env.catalog, c.req.param("id"));
      const { format, ...terms } = c.req.valid("json");
      refuseFormat(backup.manifest, format);
      const erasures = await erasuresOfBackup(c.env, backup.manifest);
      refuseFile(erasures, format);
      const opened = { database: backup.database, subject: backup.id };
      const link = await makeLink(c, opened, { format, ...terms }, (id, expires) =>
        grantFor(backup, format, id, expires),
      );
      return c.json({ ...link, erasures: erasures.length, knownBad: knownBad(backup) }, 201);
    },
  )

  .post(
    "/:id/query",
    needs("download", "backup", "query"),
    input("json", querySchema),
    async (c) => {
      const backup = await existingBackup(c.env.catalog, c.req.param("id"));
      const query = c.req.valid("json");
      const answer = await queryBackup(c.env, backup.manifest, query);
      note(c, { sqlHash: fingerprint(query.sql), rows: answer.rows.length });
      return c.json(answer);
    },
  )

  .post("/:id/pin", needs("backup", "backup", "pin"), input("json", newPinSchema), async (c) => {
    const { reason } = c.req.valid("json");
    note(c, { reason });
    return c.json(manifestView(await pinBackup(c.env, c.req.param("id"), "user", reason)));
  })

  .delete("/:id/pin", needs("admin", "backup", "unpin"), async (c) => {
    const { id, database } = await existingBackup(c.env.catalog, c.req.param("id"));
    await requireApproval(c, {
      ...{ action: "unpin", databases: [database], request: id },
      summary: `unpin backup ${id} of ${database}`,
    });
    return c.json(manifestView(await unpinBackup(c.env, id)));
  })

  .post("/:id/verify", needs("backup", "backup", "verify"), async (c) => {
    const proof = await prove(c.env, c.req.param("id"), "verify");
    note(c, { outcome: proof.outcome });
    return c.json(proof);
  })
  .post("/:id/drill", needs("backup", "backup", "drill"), async (c) => {
    const proof = await prove(c.env, c.req.param("id"), "drill");
    note(c, { outcome: proof.outcome });
    return c.json(proof);
  })
  .get("/:id/proofs", needs("read", "backup"), async (c) => {
    const { manifest } = await existingBackup(c.env.catalog, c.req.param("id"));
    return c.json({ proofs: await proofsOf(c.env.bucket, manifest) });
  })

  // Copy to the second store now, or read back the copy that is there.
  .post("/:id/copy", needs("backup", "backup", "copy"), async (c) => {
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
  })

  .route("/", restoreBackup);

/** Errors that mean the copy failed, as opposed to: could not be attempted. */
const FAILURES: ReadonlySet<string> = new Set([
  ...["COPY_UNREACHABLE", "COPY_REFUSED", "COPY_DIFFERS"],
  ...["OBJECT_MISSING", "OBJECT_CORRUPT", "STORE_FAILED"],
]);
