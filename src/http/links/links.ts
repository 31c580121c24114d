import { Hono } from "hono";
import { revokeLink } from "../../catalog/links.ts";
import { NightjarError } from "../../errors/errors.ts";
import type { HttpEnv } from "../hono-env.ts";

/** `/v1/links`: taking a link back. */
export const links = new Hono<HttpEnv>().delete("/:id", async (c) => {
  const id = c.req.param("id");
  if (!(await revokeLink(c.env.catalog, id, c.env.deps.now())))
    throw new NightjarError("NOT_FOUND", `There is no link ${id}, or it has expired.`);
  return c.body(null, 204);
});
