import { Hono } from "hono";
import { NightjarError } from "../../errors/errors.ts";
import { badgeSvg } from "../../web/badge.ts";
import { badgeFace } from "../../web/badge-face.ts";
import { visibleDatabase } from "./badge-access.ts";
import type { HttpEnv } from "../hono-env.ts";
import { healthOf } from "../views.ts";

/**
 * `/badge/:db.svg` and `.json` (the endpoint format of shields.io). GitHub's image proxy keeps a
 * picture for as long as it is told: five minutes are fresh enough and spare the Worker.
 */
export const badge = new Hono<HttpEnv>().get("/:file{[a-z0-9_-]+\\.(svg|json)}", async (c) => {
  const [name, kind] = c.req.param("file").split(".") as [string, "svg" | "json"];
  const database = await visibleDatabase(c.env, name, c.req.raw);
  if (database === undefined) throw new NightjarError("NOT_FOUND", "There is no such badge.");
  const { state, verified } = await healthOf(c.env, database);
  const face = badgeFace(state, verified?.takenAt, c.env.deps.now());
  const shared =
    database.badge === "public" ? "public, max-age=300, s-maxage=300" : "private, max-age=300";
  c.header("cache-control", shared);
  if (kind === "json") return c.json({ schemaVersion: 1, cacheSeconds: 300, ...face });
  c.header("content-type", "image/svg+xml; charset=utf-8");
  c.header("x-content-type-options", "nosniff");
  return c.body(badgeSvg(face));
});
