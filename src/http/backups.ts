import { Hono } from "hono";
import * as v from "valibot";
import { findBackup } from "../catalog/backups.ts";
import { enterLink } from "../catalog/links.ts";
import { randomId } from "../deps.ts";
import { NightjarError } from "../errors.ts";
import { DAY, parseDuration } from "../plan/duration.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { type Format, FORMATS, grantFor, linkPath } from "./link-url.ts";
import { backupView } from "./views.ts";

const LONGEST = 7 * DAY;
const EXPIRES_IN = "must be a duration of at most 7 days, like 90s, 1h or 7d";

const newLinkSchema = v.strictObject({
  format: v.optional(v.string("must be text"), "sql.gz"),
  expiresIn: v.optional(
    v.pipe(
      v.string(EXPIRES_IN),
      v.check((text) => (parseDuration(text) ?? Infinity) <= LONGEST, EXPIRES_IN),
    ),
    "1h",
  ),
});

/** `/v1/backups`: one backup by its id, and links to it. */
export const backups = new Hono<HttpEnv>()
  .get("/:id", async (c) => {
    const backup = await findBackup(c.env.catalog, c.req.param("id"));
    if (backup === undefined) throw noSuchBackup(c.req.param("id"));
    return c.json(backupView(backup));
  })

  .post("/:id/links", input("json", newLinkSchema), async (c) => {
    const { catalog, config, deps } = c.env;
    const backup = await findBackup(catalog, c.req.param("id"));
    if (backup === undefined) throw noSuchBackup(c.req.param("id"));
    const { format, expiresIn } = c.req.valid("json");
    if (!FORMATS.includes(format as Format))
      throw new NightjarError(
        "FORMAT_UNAVAILABLE",
        `A dump can be downloaded as ${FORMATS.join(", ")}, not as ${format.slice(0, 20)}.`,
      );
    const createdAt = deps.now();
    const expires = Math.floor((createdAt + parseDuration(expiresIn)!) / 1000);
    const expiresAt = expires * 1000;
    const grant = grantFor(backup, format as Format, randomId(deps), expires);
    await enterLink(catalog, { id: grant.id, backupId: backup.id, format, createdAt, expiresAt });
    const url = new URL(c.req.url).origin + linkPath(grant, config.signingKey);
    return c.json({ id: grant.id, url, format, expiresAt: new Date(expiresAt).toISOString() }, 201);
  });

function noSuchBackup(id: string): NightjarError {
  return new NightjarError("BACKUP_NOT_FOUND", `There is no backup ${id}.`);
}
