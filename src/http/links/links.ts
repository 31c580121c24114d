import { type Context as HonoContext, Hono } from "hono";
import * as v from "valibot";
import {
  enterLink,
  type Link,
  listLinks,
  noSuchLink,
  revokeLink,
} from "../../catalog/access/links.ts";
import { randomId } from "../../core/deps.ts";
import { DAY, DURATION, parseDuration } from "../../plan/duration.ts";
import type { Format } from "../../plan/formats.ts";
import { networkOf } from "../access/attempts.ts";
import { needs, note } from "../access/needs.ts";
import { knownDatabase } from "../configured.ts";
import { text } from "../fields.ts";
import { input } from "../input.ts";
import { newestFirst, pageOf, placeOf } from "../paging.ts";
import type { HttpEnv } from "../hono-env.ts";
import { type Grant, linkPath } from "./link-url.ts";
import { iso } from "../../core/iso.ts";
import type { Choice } from "../../model/choice.ts";
import { choiceDetail } from "./choice.ts";
import { about, empty, json } from "../openapi/about.ts";
import { LINKS, linksAnswer } from "../answers/link.ts";

const LONGEST = 7 * DAY;
const EXPIRES_IN = "must be a duration of at most 7 days, like 90s, 1h or 7d";

const MAX_USES = "must be a whole number from 1 to 1000000";
const ADDRESS = "must be an address of IPv4 or IPv6";

/** Fields of a request for a link. */
export const linkFields = {
  format: v.optional(
    v.pipe(v.string("must be text"), v.description("One of the backup's `formats`.")),
    "sql.gz",
  ),
  expiresIn: v.optional(
    v.pipe(
      v.string(EXPIRES_IN),
      v.regex(DURATION, EXPIRES_IN),
      v.check((duration) => (parseDuration(duration) ?? Infinity) <= LONGEST, EXPIRES_IN),
      v.description("At most 7d."),
    ),
    "1h",
  ),
  maxUses: v.optional(
    v.pipe(
      v.number(MAX_USES),
      v.integer(MAX_USES),
      v.minValue(1, MAX_USES),
      v.maxValue(1_000_000, MAX_USES),
      v.description("It is used up by so many downloads that have begun."),
    ),
  ),
  address: v.optional(
    v.pipe(
      v.string(ADDRESS),
      v.ip(ADDRESS),
      v.description("It opens for this address of IPv4 only, or for the /64 of this one of IPv6."),
    ),
  ),
};

/** What a link is to allow. */
interface Terms {
  readonly format: Format;
  readonly expiresIn: string;
  readonly maxUses?: number | undefined;
  readonly address?: string | undefined;
}

/** What a link opens: its database, the subject as the catalog's schema says, and the part of it. */
interface Opened {
  readonly database: string;
  readonly subject: string;
  readonly choice: Choice | undefined;
}

/**
 * Make and record a download link.
 *
 * @param grant what it grants, by its id and its expiry in seconds since the epoch
 * @throws NightjarError `CATALOG_FAILED`
 */
export async function makeLink(
  c: HonoContext<HttpEnv>,
  { choice, ...opened }: Opened,
  { format, expiresIn, maxUses, address }: Terms,
  grant: (id: string, expires: number) => Grant,
) {
  const { catalog, config, deps } = c.env;
  const createdAt = deps.now();
  const expires = Math.floor((createdAt + parseDuration(expiresIn)!) / 1000);
  const expiresAt = expires * 1000;
  const id = randomId(deps);
  await enterLink(catalog, {
    ...{ id, ...opened, format, createdAt, createdBy: c.get("caller").id, expiresAt },
    maxUses: maxUses ?? null,
    address: address === undefined ? null : networkOf(address),
    choice: choice ?? null,
  });
  const url = new URL(c.req.url).origin + linkPath(grant(id, expires), config.signingKey);
  const made = { id, url, format, expiresAt: new Date(expiresAt).toISOString() };
  note(c, {
    ...{ link: id, format, expiresAt: made.expiresAt },
    ...(maxUses !== undefined && { maxUses }),
    ...(address !== undefined && { address }),
    ...choiceDetail(choice),
  });
  return made;
}

const listSchema = v.strictObject({
  database: v.optional(text(100)),
  ...newestFirst,
});

type LinkState = "valid" | "expired" | "revoked" | "used up";

/** A link as the API shows it; the URL itself is shown only when it is made. */
function linkView(link: Link, now: number) {
  const { id, database, subject, format, createdBy, expiresAt, revokedAt } = link;
  const { maxUses, uses, address, choice } = link;
  const state: LinkState =
    revokedAt !== null
      ? "revoked"
      : expiresAt <= now
        ? "expired"
        : maxUses !== null && uses >= maxUses
          ? "used up"
          : "valid";
  return {
    ...{ id, database, subject, format, state, createdBy, maxUses, uses, address, choice },
    createdAt: iso(link.createdAt),
    expiresAt: iso(expiresAt),
    revokedAt: revokedAt === null ? null : iso(revokedAt),
  };
}

/** `/v1/links`: listing links, and revoking one. */
export const links = new Hono<HttpEnv>()
  .get(
    "/",
    about("listLinks", "List download links, newest first", {
      200: json(linksAnswer, LINKS, "A page of them, without the links themselves."),
    }),
    needs("download", "own"),
    input("query", listSchema, { database: "shop" }),
    async (c) => {
      const { rights } = c.get("caller");
      const { database, limit, cursor } = c.req.valid("query");
      if (database !== undefined) await knownDatabase(c.env, database, rights);
      const databases = database === undefined ? rights.databases : [database];
      const found = await listLinks(c.env.catalog, databases, limit + 1, placeOf(cursor));
      const { page, next } = pageOf(found, limit, ({ createdAt }) => createdAt);
      const now = c.env.deps.now();
      return c.json({ links: page.map((link) => linkView(link, now)), next });
    },
  )

  .delete(
    "/:id",
    about("revokeLink", "Revoke a download link", { 204: empty("It opens nothing any more.") }),
    needs("download", "link", "link-revoke"),
    async (c) => {
      const id = c.req.param("id");
      if (!(await revokeLink(c.env.catalog, id, c.env.deps.now()))) throw noSuchLink(id);
      return c.body(null, 204);
    },
  );
