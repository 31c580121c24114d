import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { csrf } from "hono/csrf";
import { log } from "../../core/log.ts";
import { STYLE } from "../../web/style.ts";
import { signedIn } from "../access/session.ts";
import { loggablePath } from "../answer-error.ts";
import { asHttpError } from "../as-http-error.ts";
import type { HttpEnv } from "../hono-env.ts";
import { backupPages } from "./backup.ts";
import { databasePages } from "./database.ts";
import { showFleet } from "./fleet.ts";
import { listPages } from "./lists.ts";
import { needsSignIn, showError } from "./page.ts";
import { showSignIn, signIn } from "./sign-in.ts";

/** Where only who is signed in comes. */
const INSIDE = ["databases", "backups", "runs", "alerts", "approvals", "audit", "tokens", "cost"];

/** A form counts from Nightjar's own pages only. */
const ownForms = csrf();

/** Nobody fills the memory of a Worker with a form. */
const smallForm = bodyLimit({ maxSize: 16 * 1024 });

const guarded = new Hono<HttpEnv>();
for (const place of INSIDE) guarded.use(`/${place}/*`, ownForms, smallForm, needsSignIn);

/** The pages for people. They need no script, and allow none. */
export const pages = new Hono<HttpEnv>()
  .get("/style.css", (c) => {
    c.header("cache-control", "public, max-age=300");
    c.header("content-type", "text/css; charset=utf-8");
    return c.body(STYLE);
  })
  .get("/", async (c) => {
    const caller = await signedIn(c);
    if (caller === undefined) return showSignIn(c, undefined);
    c.set("caller", caller);
    return showFleet(c);
  })
  .use("/sign-in", ownForms, smallForm)
  .use("/sign-out", ownForms)
  .route("/", signIn)
  .route("/", guarded)
  .route("/", databasePages)
  .route("/", backupPages)
  .route("/", listPages)
  .onError((thrown, c) => {
    const error = asHttpError(thrown);
    if (error.status >= 500) log.error("request-failed", error, { path: loggablePath(c.req.url) });
    return error.code === "UNAUTHORIZED" ? showSignIn(c, error) : showError(c, error);
  });
