import { Hono } from "hono";
import * as v from "valibot";
import { enterLink, noSuchLink, revokeLink } from "../../catalog/links.ts";
import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { DAY, parseDuration } from "../../plan/duration.ts";
import type { Format } from "../../plan/formats.ts";
import { needs } from "../access/needs.ts";
import type { HttpEnv } from "../hono-env.ts";
import { type Grant, linkPath } from "./link-url.ts";

const LONGEST = 7 * DAY;
const EXPIRES_IN = "must be a duration of at most 7 days, like 90s, 1h or 7d";

/** Fields of a request for a link. */
export const formatField = v.optional(v.string("must be text"), "sql.gz");
export const expiresInField = v.optional(
  v.pipe(
    v.string(EXPIRES_IN),
    v.check((text) => (parseDuration(text) ?? Infinity) <= LONGEST, EXPIRES_IN),
  ),
  "1h",
);

/**
 * Make and record a download link.
 *
 * @param origin Nightjar's own address
 * @param subject what it opens, as the catalog's schema says
 * @param grant what it grants, by its id and its expiry in seconds since the epoch
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function makeLink(
  { catalog, config, deps }: Context,
  origin: string,
  subject: string,
  format: Format,
  expiresIn: string,
  grant: (id: string, expires: number) => Grant,
) {
  const createdAt = deps.now();
  const expires = Math.floor((createdAt + parseDuration(expiresIn)!) / 1000);
  const expiresAt = expires * 1000;
  const id = randomId(deps);
  await enterLink(catalog, { id, subject, format, createdAt, expiresAt });
  const url = origin + linkPath(grant(id, expires), config.signingKey);
  return { id, url, format, expiresAt: new Date(expiresAt).toISOString() };
}

/** `/v1/links`: taking a link back. */
export const links = new Hono<HttpEnv>().delete(
  "/:id",
  needs("download", "link", "link-revoke"),
  async (c) => {
    const id = c.req.param("id");
    if (!(await revokeLink(c.env.catalog, id, c.env.deps.now()))) throw noSuchLink(id);
    return c.body(null, 204);
  },
);
