import { Hono } from "hono";
import { findRun } from "../catalog/runs.ts";
import { NightjarError } from "../errors/errors.ts";
import type { HttpEnv } from "./hono-env.ts";
import { runView } from "./views.ts";

/** `/v1/runs`: how a run is getting on. */
export const runs = new Hono<HttpEnv>().get("/:id", async (c) => {
  const run = await findRun(c.env.catalog, c.req.param("id"));
  if (run === undefined)
    throw new NightjarError("RUN_NOT_FOUND", `There is no run ${c.req.param("id")}.`);
  return c.json(runView(run));
});
