import { Hono } from "hono";
import { NightjarError } from "../errors.ts";
import { visibleDatabase } from "./badge-access.ts";
import type { HttpEnv } from "./hono-env.ts";
import { healthOf } from "./views.ts";

/** `/health/:db`: 200 while the newest backup is fresh, 503 otherwise, for uptime monitors. */
export const health = new Hono<HttpEnv>().get("/:db", async (c) => {
  const database = visibleDatabase(c.env.config, c.req.param("db"), c.req.raw);
  if (database === undefined) throw new NightjarError("NOT_FOUND", "There is no such database.");
  const { state, newest } = await healthOf(c.env, database);
  c.header("cache-control", "no-store");
  const takenAt = newest === undefined ? null : new Date(newest.takenAt).toISOString();
  return c.json({ database: database.name, state, takenAt }, state === "fresh" ? 200 : 503);
});
