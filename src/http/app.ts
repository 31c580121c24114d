import { Hono } from "hono";
import { cors } from "hono/cors";
import { createMiddleware } from "hono/factory";
import { countDatabases } from "../catalog/databases.ts";
import { NightjarError } from "../errors/errors.ts";
import { log } from "../core/log.ts";
import type { Caller } from "../model/actor.ts";
import { VERSION } from "../core/version.ts";
import { authenticate } from "./access/needs.ts";
import { alerts } from "./alerts.ts";
import { approvals } from "./approvals.ts";
import { asHttpError } from "./as-http-error.ts";
import { audit } from "./audit.ts";
import { backups } from "./backups/backups.ts";
import { badge } from "./databases/badge.ts";
import { cost } from "./cost.ts";
import { databases } from "./databases/databases.ts";
import { download } from "./links/download.ts";
import type { HttpEnv } from "./hono-env.ts";
import { health } from "./health.ts";
import { links } from "./links/links.ts";
import { metrics } from "./metrics.ts";
import { problem } from "./problem.ts";
import { prune } from "./prune.ts";
import { rebuild, reconcile } from "./rebuild.ts";
import { runs } from "./runs.ts";
import { tokens } from "./tokens.ts";

/** Answers of the API are about one moment, hold names and secrets, and are no pages. */
const unstored = createMiddleware<HttpEnv>(async (c, next) => {
  await next();
  c.header("cache-control", "no-store");
  c.header("x-content-type-options", "nosniff");
});

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

const v1 = new Hono<HttpEnv>()
  .use(authenticate)
  .route("/databases", databases)
  .route("/backups", backups)
  .route("/runs", runs)
  .route("/links", links)
  .route("/prune", prune)
  .route("/rebuild", rebuild)
  .route("/reconcile", reconcile)
  .route("/tokens", tokens)
  .route("/audit", audit)
  .route("/approvals", approvals)
  .route("/alerts", alerts)
  .route("/cost", cost);

/** Every route that Nightjar serves. */
export const app = new Hono<HttpEnv>()
  .use(logged)
  .get("/healthz", async (c) => {
    await countDatabases(c.env.catalog); // fails where the catalog has no tables
    return c.json({ status: "ok", version: VERSION, databases: c.env.config.databases.size });
  })
  .use("/v1/*", unstored)
  .route("/v1", v1)
  .use("/d/*", anyOrigin)
  .route("/d", download)
  .route("/badge", badge)
  .route("/health", health)
  .route("/metrics", metrics)
  .notFound(() => problem(new NightjarError("NOT_FOUND", "There is nothing at this address.")))
  .onError((thrown, c) => {
    const error = asHttpError(thrown);
    if (error.status >= 500) log.error("request-failed", error, { path: loggablePath(c.req.url) });
    // Set where somebody has shown a valid token.
    const caller = c.get("caller") as Caller | undefined;
    const told = caller === undefined ? withoutDetail(error) : error;
    return problem(told, error.code === "UNAUTHORIZED" ? { "www-authenticate": "Bearer" } : {});
  });

/** A failure of Nightjar's own, without the words of D1, R2 or the runtime, which are not for outsiders. */
function withoutDetail(error: NightjarError): NightjarError {
  if (error.status < 500) return error;
  return new NightjarError(error.code, "Nightjar could not do this; its log says why.", {
    hint: "Ask for it again in a minute. Nightjar's owner finds the reason in the Worker's log.",
    cause: error,
  });
}

/** The path of a request; a download link is a secret, and stays out of the log. */
function loggablePath(url: string): string {
  return new URL(url).pathname.replace(/^\/d\/.*/, "/d/…");
}

/** The typed shape of the API, for `hono/client`. */
export type App = typeof app;
