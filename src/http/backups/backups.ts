import { Hono } from "hono";
import * as v from "valibot";
import { existingBackup } from "../../catalog/backups.ts";
import { queryBackup } from "../../read/query.ts";
import { refuseChoice, refuseFormat } from "../../read/derive.ts";
import { checkExport } from "../../read/export.ts";
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
import { refuseRaw, withoutAnswers } from "../access/raw.ts";
import { grantFor } from "../links/link-url.ts";
import { choiceFields, choiceOf, checkedView, permitted } from "../links/choice.ts";
import { linkFields, makeLink } from "../links/links.ts";
import { QUERIES, querySchema, text } from "../fields.ts";
import { backupView, copyView, manifestView } from "../views.ts";
import { restoreBackup } from "./restore.ts";
import { about, json } from "../openapi/about.ts";
import {
  BACKUP,
  backupAnswer,
  COPIED,
  copiedAnswer,
  MANIFEST,
  manifestAnswer,
  PINNED,
} from "../answers/backup.ts";
import { BACKUP_LINK, backupLinkAnswer, QUERIED, queryAnswer } from "../answers/link.ts";
import { DRILL, PROOF, proofAnswer, proofsAnswer } from "../answers/proof.ts";
import { confirmedOf } from "../../catalog/fleet/confirmations.ts";

const newPinSchema = v.strictObject({
  reason: v.optional(text(200), "pinned by hand"),
});

const newLinkSchema = v.strictObject({ ...linkFields, ...choiceFields });

/** `/v1/backups`: one backup by its id, and everything that is done with it. */
export const backups = new Hono<HttpEnv>()
  .get(
    "/:id",
    about("getBackup", "Show one backup, with its tables", {
      200: json(backupAnswer, BACKUP, "The backup."),
    }),
    needs("read", "backup"),
    async (c) => {
      const backup = await existingBackup(c.env.catalog, c.req.param("id"));
      const stands = await confirmedOf(c.env.catalog, [backup.id]);
      return c.json(backupView(backup, stands.get(backup.id)));
    },
  )

  .post(
    "/:id/links",
    about(
      "createLink",
      "Make a link that downloads a backup",
      {
        201: json(backupLinkAnswer, BACKUP_LINK, "The link."),
      },
      { text: "Rows that were erased since are left out: `erasures` says how many entries apply." },
    ),
    needs("download", "backup", "link"),
    input("json", newLinkSchema, { format: "sql.gz", expiresIn: "1h", maxUses: 3 }),
    async (c) => {
      const backup = await existingBackup(c.env.catalog, c.req.param("id"));
      const { format, ...terms } = c.req.valid("json");
      const { manifest, database } = backup;
      const choice = choiceOf(terms);
      const kept = await permitted(c.env, database, c.get("caller").rights, choice);
      refuseFormat(manifest, format);
      refuseChoice(manifest.kind, format, choice ?? {});
      const erasures = await erasuresOfBackup(c.env, manifest);
      refuseFile(erasures, format);
      const checked = await checkExport(c.env, { manifest }, format, choice ?? {});
      const opened = { database, subject: backup.id, choice: kept };
      const link = await makeLink(c, opened, { format, ...terms }, (id, expires) =>
        grantFor(backup, format, id, expires),
      );
      const shown = { erasures: erasures.length, knownBad: knownBad(backup) };
      return c.json({ ...link, ...shown, ...checkedView(checked) }, 201);
    },
  )

  .post(
    "/:id/query",
    about(
      "queryBackup",
      "Query a stored snapshot in place",
      {
        200: json(queryAnswer, QUERIED, "All rows: an answer that would be cut is an error."),
      },
      { text: QUERIES },
    ),
    needs("download", "backup", "query"),
    input("json", querySchema, {
      sql: "SELECT id, name, photo FROM artists WHERE id = ?",
      args: [1],
    }),
    async (c) => {
      const backup = await existingBackup(c.env.catalog, c.req.param("id"));
      const query = c.req.valid("json");
      await refuseRaw(c.env, backup.database, c.get("caller").rights);
      const answer = await queryBackup(c.env, backup.manifest, query);
      note(c, { sqlHash: fingerprint(query.sql), rows: answer.rows.length });
      return c.json(answer);
    },
  )

  .post(
    "/:id/pin",
    about(
      "pinBackup",
      "Keep a backup past the age of its tier",
      {
        200: json(manifestAnswer, PINNED, "Its manifest, with the pin."),
      },
      {
        text: "The bytes are copied to where no lifecycle rule deletes them, and stay until it is unpinned. Answers when the copy is made.",
      },
    ),
    needs("backup", "backup", "pin"),
    input("json", newPinSchema, { reason: "before the migration" }),
    async (c) => {
      const { reason } = c.req.valid("json");
      note(c, { reason });
      return c.json(manifestView(await pinBackup(c.env, c.req.param("id"), "user", reason)));
    },
  )

  .delete(
    "/:id/pin",
    about(
      "unpinBackup",
      "Take a pin off",
      {
        200: json(manifestAnswer, MANIFEST, "Its manifest, without the pin."),
      },
      { text: "Of a pin by hand. The next prune deletes the copy if the policy does not need it." },
    ),
    needs("admin", "backup", "unpin"),
    async (c) => {
      const { id, database } = await existingBackup(c.env.catalog, c.req.param("id"));
      await requireApproval(c, {
        ...{ action: "unpin", databases: [database], request: id },
        summary: `unpin backup ${id} of ${database}`,
      });
      return c.json(manifestView(await unpinBackup(c.env, id)));
    },
  )

  .post(
    "/:id/verify",
    about(
      "verifyBackup",
      "Read a backup back and check every byte",
      {
        200: json(proofAnswer, PROOF, "The proof, whatever it found."),
      },
      { text: "docs/verification.md says what is checked." },
    ),
    needs("backup", "backup", "verify"),
    async (c) => {
      const proof = await prove(c.env, c.req.param("id"), "verify");
      note(c, { outcome: proof.outcome });
      return c.json(proof);
    },
  )
  .post(
    "/:id/drill",
    about(
      "drillBackup",
      "Rehearse a backup's restore",
      {
        200: json(proofAnswer, DRILL, "The proof, with every table counted and hashed."),
      },
      {
        text: "It is restored in scratch space in the Worker. docs/verification.md says what is checked.",
      },
    ),
    needs("backup", "backup", "drill"),
    async (c) => {
      const proof = await prove(c.env, c.req.param("id"), "drill");
      note(c, { outcome: proof.outcome });
      return c.json(await withoutAnswers(c.env, proof, c.get("caller").rights));
    },
  )
  .get(
    "/:id/proofs",
    about("listProofs", "List the proofs that lie beside a backup, oldest first", {
      200: json(proofsAnswer, { proofs: [PROOF, DRILL] }, "All of them."),
    }),
    needs("read", "backup"),
    async (c) => {
      const { manifest } = await existingBackup(c.env.catalog, c.req.param("id"));
      const { rights } = c.get("caller");
      const proofs = await proofsOf(c.env.bucket, manifest);
      const shown = proofs.map((proof) => withoutAnswers(c.env, proof, rights));
      return c.json({ proofs: await Promise.all(shown) });
    },
  )

  // Copy to the second store now, or read back the copy that is there.
  .post(
    "/:id/copy",
    about(
      "copyBackup",
      "Copy a backup to the second store, or read back its copy there",
      {
        200: json(copiedAnswer, COPIED, "How the copy is now; `failed` with the reason."),
      },
      { text: "`COPY_UNAVAILABLE` (422) where there is nothing to try." },
    ),
    needs("backup", "backup", "copy"),
    async (c) => {
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
    },
  )

  .route("/", restoreBackup);

/** Errors that mean the copy failed, as opposed to: could not be attempted. */
const FAILURES: ReadonlySet<string> = new Set([
  ...["COPY_UNREACHABLE", "COPY_REFUSED", "COPY_DIFFERS"],
  ...["OBJECT_MISSING", "OBJECT_CORRUPT", "STORE_FAILED"],
]);
