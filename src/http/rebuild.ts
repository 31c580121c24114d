import { Hono } from "hono";
import * as v from "valibot";
import { rebuild as rebuildJob } from "../jobs/recovery/rebuild.ts";
import { reconcile as reconcileJob } from "../jobs/recovery/reconcile.ts";
import { needs, note } from "./access/needs.ts";
import type { HttpEnv } from "./hono-env.ts";
import { keyCursor } from "./fields.ts";
import { input } from "./input.ts";
import { about, json } from "./openapi/about.ts";
import { REBUILT, rebuiltAnswer, RECONCILED, reconciledAnswer } from "./answers/recovery.ts";

const schema = v.strictObject({
  cursor: keyCursor,
  acceptUnsigned: v.optional(
    v.pipe(
      v.boolean("must be true or false"),
      v.description("Enter also what was not signed with this SIGNING_KEY."),
    ),
    false,
  ),
});

/** `/v1/reconcile`: compare the bucket with the catalog, and repair what can be repaired. */
export const reconcile = new Hono<HttpEnv>().post(
  "/",
  about("reconcile", "Compare the bucket with the catalog, and repair what can be repaired", {
    200: json(reconciledAnswer, RECONCILED, "What was found. Nothing is ever deleted."),
  }),
  needs("admin", "all", "reconcile"),
  async (c) => c.json(await reconcileJob(c.env, c.env.deps.now())),
);

/** `/v1/rebuild`: enter what lies in the bucket into the catalog, a part of the bucket at a time. */
export const rebuild = new Hono<HttpEnv>().post(
  "/",
  about("rebuild", "Enter what lies in the bucket into the catalog, a part of it a call", {
    200: json(rebuiltAnswer, REBUILT, "What was entered, and what cannot be."),
  }),
  needs("admin", "all", "rebuild"),
  input("json", schema, {}),
  async (c) => {
    const { cursor, acceptUnsigned } = c.req.valid("json");
    note(c, { acceptUnsigned });
    return c.json(await rebuildJob(c.env, cursor, acceptUnsigned));
  },
);
