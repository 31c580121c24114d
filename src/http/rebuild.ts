import { Hono } from "hono";
import * as v from "valibot";
import { rebuild as rebuildJob } from "../jobs/recovery/rebuild.ts";
import { reconcile as reconcileJob } from "../jobs/recovery/reconcile.ts";
import { needs, note } from "./access/needs.ts";
import type { HttpEnv } from "./hono-env.ts";
import { keyCursor } from "./fields.ts";
import { input } from "./input.ts";

const schema = v.strictObject({
  cursor: keyCursor,
  acceptUnsigned: v.optional(v.boolean("must be true or false"), false),
});

/** `/v1/reconcile`: compare the bucket with the catalog, and repair what can be repaired. */
export const reconcile = new Hono<HttpEnv>().post(
  "/",
  needs("admin", "all", "reconcile"),
  async (c) => c.json(await reconcileJob(c.env, c.env.deps.now())),
);

/** `/v1/rebuild`: enter what lies in the bucket into the catalog, a part of the bucket at a time. */
export const rebuild = new Hono<HttpEnv>().post(
  "/",
  needs("admin", "all", "rebuild"),
  input("json", schema),
  async (c) => {
    const { cursor, acceptUnsigned } = c.req.valid("json");
    note(c, { acceptUnsigned });
    return c.json(await rebuildJob(c.env, cursor, acceptUnsigned));
  },
);
