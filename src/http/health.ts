import { Hono } from "hono";
import { NightjarError } from "../errors/errors.ts";
import { visibleDatabase } from "./databases/badge-access.ts";
import type { HttpEnv } from "./hono-env.ts";
import { healthOf } from "./views.ts";

/** `/health/:db`: 200 while a fresh backup is known to be good, 503 otherwise, for uptime monitors. */
export const health = new Hono<HttpEnv>().get("/:db", async (c) => {
  const database = await visibleDatabase(c.env, c.req.param("db"), c.req.raw);
  if (database === undefined) throw new NightjarError("NOT_FOUND", "There is no such database.");
  const { state, newest, verified } = await healthOf(c.env, database);
  c.header("cache-control", "no-store");
  const answer = {
    database: database.name,
    state,
    takenAt: newest?.manifest.takenAt ?? null,
    verifiedTakenAt: verified?.manifest.takenAt ?? null,
  };
  return c.json(answer, state === "fresh" ? 200 : 503);
});
