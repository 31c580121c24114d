import { Hono } from "hono";
import { existingRun } from "../catalog/runs.ts";
import { needs } from "./access/needs.ts";
import type { HttpEnv } from "./hono-env.ts";
import { runView } from "./views.ts";

/** `/v1/runs`: how a run is getting on. */
export const runs = new Hono<HttpEnv>().get("/:id", needs("read", "run"), async (c) =>
  c.json(runView(await existingRun(c.env.catalog, c.req.param("id")))),
);
