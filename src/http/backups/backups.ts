import { Hono } from "hono";
import * as v from "valibot";
import { existingBackup } from "../../catalog/backups.ts";
import { queryBackup } from "../../read/query.ts";
import { refuseFormat } from "../../read/derive.ts";
import { erasuresOfBackup, refuseFile } from "../../read/erasures.ts";
import { pinBackup, unpinBackup } from "../../jobs/retention/pin.ts";
import { knownBad } from "../../model/proof.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { grantFor } from "../links/link-url.ts";
import { expiresInField, formatField, makeLink } from "../links/make-link.ts";
import { querySchema } from "./query-input.ts";
import { text } from "../text.ts";
import { backupView, manifestView } from "../views.ts";

const newPinSchema = v.strictObject({
  reason: v.optional(text(200), "pinned by hand"),
});

const newLinkSchema = v.strictObject({ format: formatField, expiresIn: expiresInField });

/** `/v1/backups`: one backup by its id, links to it, queries, and pins. */
export const backups = new Hono<HttpEnv>()
  .get("/:id", async (c) => {
    const backup = await existingBackup(c.env.catalog, c.req.param("id"));
    return c.json(backupView(backup));
  })

  .post("/:id/links", input("json", newLinkSchema), async (c) => {
    const backup = await existingBackup(c.env.catalog, c.req.param("id"));
    const { format, expiresIn } = c.req.valid("json");
    refuseFormat(backup.manifest, format);
    const erasures = await erasuresOfBackup(c.env, backup.manifest);
    refuseFile(erasures, format);
    const link = await makeLink(
      c.env,
      new URL(c.req.url).origin,
      backup.id,
      format,
      expiresIn,
      (id, expires) => grantFor(backup, format, id, expires),
    );
    return c.json({ ...link, erasures: erasures.length, knownBad: knownBad(backup) }, 201);
  })

  .post("/:id/query", input("json", querySchema), async (c) => {
    const backup = await existingBackup(c.env.catalog, c.req.param("id"));
    return c.json(await queryBackup(c.env, backup.manifest, c.req.valid("json")));
  })

  .post("/:id/pin", input("json", newPinSchema), async (c) => {
    const { reason } = c.req.valid("json");
    return c.json(manifestView(await pinBackup(c.env, c.req.param("id"), "user", reason)));
  })

  .delete("/:id/pin", async (c) =>
    c.json(manifestView(await unpinBackup(c.env, c.req.param("id")))),
  );
