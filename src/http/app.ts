import { Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { touchCatalog } from "../catalog/fleet/databases.ts";
import { log } from "../core/log.ts";
import { VERSION } from "../core/version.ts";
import { NightjarError } from "../errors/errors.ts";
import { asHttpError } from "./as-http-error.ts";
import { answerError, loggablePath } from "./answer-error.ts";
import { v1 } from "./api.ts";
import { badge } from "./databases/badge.ts";
import { health } from "./watch/health.ts";
import type { HttpEnv } from "./hono-env.ts";
import { download } from "./links/download.ts";
import { metrics } from "./watch/metrics.ts";
import { isBrowser, showError } from "./pages/page.ts";
import { pages } from "./pages/pages.ts";
import { problem } from "./problem.ts";
import { about, json } from "./openapi/about.ts";
import { ALIVE, aliveAnswer } from "./answers/watch.ts";
import { describing } from "./openapi/serve.ts";
import { appliedMigration, NEEDED_MIGRATION } from "../catalog/migrations.ts";

/** Log how each request was answered, at level debug. No link and no query string is in the line. */
const logged = createMiddleware<HttpEnv>(async (c, next) => {
  const began = c.env.deps.now();
  await next();
  const { method, url } = c.req;
  const ms = c.env.deps.now() - began;
  const { status } = c.res;
  log.debug("request-answered", () => ({ method, path: loggablePath(url), status, ms }));
});

/**
 * A link is the whole of its credential, so a page of any origin may read it: that is how a database is
 * opened in place in a browser.
 */
const anyOrigin = cors({
  origin: "*",
  allowMethods: ["GET", "HEAD"],
  allowHeaders: ["range", "if-range", "if-none-match"],
  exposeHeaders: [
    ...["accept-ranges", "content-length", "content-range", "etag"],
    ...["x-nightjar-erasures", "x-nightjar-known-bad", "x-nightjar-warnings"],
  ],
  maxAge: 86_400,
});

/** Every route for programs. */
const served = new Hono<HttpEnv>()
  .use(logged)
  .get(
    "/healthz",
    about("getAlive", "Tell whether the Worker is configured and its catalog answers", {
      200: json(aliveAnswer, ALIVE, "Both are so."),
    }),
    async (c) => {
      await touchCatalog(c.env.catalog); // fails where the catalog has no tables
      const { catalog, config } = c.env;
      const migration = { applied: await appliedMigration(catalog), needed: NEEDED_MIGRATION };
      const { size: databases } = config.databases;
      return c.json({ status: "ok", version: VERSION, databases, migration });
    },
  )
  .route("/v1", v1)
  .use("/d/*", anyOrigin)
  .route("/d", download)
  .route("/badge", badge)
  .route("/health", health)
  .route("/metrics", metrics);

/** Every route that Nightjar serves. */
export const app = served
  .route("/", describing(served))
  .route("/", pages)
  .notFound((c) => {
    const error = new NightjarError("NOT_FOUND", "There is nothing at this address.");
    return isBrowser(c.req.raw) ? showError(c, error) : problem(error);
  })
  .onError((thrown, c) => {
    const error = asHttpError(thrown);
    // A person who opens a link that has ended reads why, and whom to ask.
    return isBrowser(c.req.raw) && error.status < 500 ? showError(c, error) : answerError(error, c);
  });

/** The typed shape of the API, for `hono/client`. */
export type App = typeof app;
