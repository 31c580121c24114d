import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { idempotent } from "./access/idempotent.ts";
import { authenticate } from "./access/needs.ts";
import { alerts } from "./watch/alerts.ts";
import { answerError } from "./answer-error.ts";
import { approvals } from "./approvals.ts";
import { audit } from "./audit.ts";
import { backups } from "./backups/backups.ts";
import { cost } from "./watch/cost.ts";
import { coverage, discovery } from "./watch/coverage.ts";
import { databases } from "./databases/databases.ts";
import type { HttpEnv } from "./hono-env.ts";
import { links } from "./links/links.ts";
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

/** The API, as the app serves it. */
export const v1 = new Hono<HttpEnv>()
  .use(unstored)
  .use(authenticate)
  .use(idempotent)
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
  .route("/cost", cost)
  .route("/coverage", coverage)
  .route("/discovery", discovery);

/**
 * The same as the pages ask it, on behalf of who has signed in. It answers its own errors, as no app is around
 * it. (Hono wraps the handlers of a part that does so, and what a route needs could not be seen on them.)
 */
export const api = new Hono<HttpEnv>().route("/v1", v1).onError(answerError);
