import { Hono } from "hono";
import { cors } from "hono/cors";
import * as v from "valibot";
import { BADGE_STYLES, badgeSvg } from "../../web/badge.ts";
import { BADGE_SHOWS, badgeFace, type BadgeFacts, UNKNOWN } from "../../web/badge-face.ts";
import { type Health, healthOf } from "../../read/health.ts";
import { text } from "../fields.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { visibleDatabase } from "./badge-access.ts";
import { about, type Answer, json } from "../openapi/about.ts";
import { BADGE, badgeAnswer } from "../answers/watch.ts";

const schema = v.strictObject({
  show: v.optional(
    v.pipe(
      v.picklist(BADGE_SHOWS, `must be one of ${BADGE_SHOWS.join(", ")}`),
      v.description(
        "The age of the newest good backup, of the newest whose drill passed, of the newest moment that can be restored, or the size.",
      ),
    ),
    "backup",
  ),
  label: v.optional(v.pipe(text(60), v.description("The text on the left."))),
  style: v.optional(v.picklist(BADGE_STYLES, `must be one of ${BADGE_STYLES.join(", ")}`), "flat"),
  key: v.optional(
    v.pipe(v.string(), v.description("What a private one needs: `badgeUrl` has it.")),
  ),
});

const BADGES: Answer = {
  words: "The badge.",
  bodies: [
    { type: "image/svg+xml", example: badgeSvg(BADGE, "flat") },
    ...json(badgeAnswer, BADGE).bodies,
  ],
};

/**
 * `/badge/:db.svg` and `.json` (the endpoint format of shields.io). GitHub's image proxy keeps a
 * picture for as long as it is told: five minutes are fresh enough and spare the Worker. What is not there
 * and what may not be seen have the same grey badge, so that no page shows a broken image.
 */
export const badge = new Hono<HttpEnv>().use(cors({ origin: "*", allowMethods: ["GET"] })).get(
  "/:file{[a-z0-9_-]+\\.(svg|json)}",
  about(
    "getBadge",
    "Show a badge for a README",
    {
      200: BADGES,
    },
    {
      text: "The colour is that of the state, whatever it shows. What is not there and what may not be seen have the same grey badge. A private one needs its key, or a token.",
      token: "optional",
      path: {
        file: [
          "The database's name, with `.svg`, or `.json` for the endpoint badge of shields.io.",
          "shop.svg",
        ],
      },
    },
  ),
  input("query", schema, { show: "restorable", style: "flat-square" }),
  async (c) => {
    const [name, kind] = c.req.param("file").split(".") as [string, "svg" | "json"];
    const { show, label, style } = c.req.valid("query");
    const database = await visibleDatabase(c.env, name, c.req.raw);
    const face =
      database === undefined
        ? { ...UNKNOWN, ...(label !== undefined && { label }) }
        : badgeFace(factsOf(await healthOf(c.env, database)), c.env.deps.now(), show, label);
    // Whether there is such a database must not show in what a cache does.
    const isPublic = database?.badge === "public";
    const cache = isPublic ? "public, max-age=300, s-maxage=300" : "private, max-age=300";
    c.header("cache-control", cache);
    if (kind === "json") return c.json({ schemaVersion: 1, cacheSeconds: 300, ...face });
    c.header("content-type", "image/svg+xml; charset=utf-8");
    c.header("x-content-type-options", "nosniff");
    return c.body(badgeSvg(face, style));
  },
);

/** What a badge may tell of a database. */
export function factsOf({ state, standing, restorableAt }: Health): BadgeFacts {
  const { newest, verified, drilled } = standing;
  return {
    state,
    verifiedAt: verified?.currentAt,
    drilledAt: drilled?.currentAt,
    restorableAt,
    bytes: newest?.rawBytes,
  };
}
