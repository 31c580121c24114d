import { Hono } from "hono";
import { reaches } from "../../plan/access.ts";
import { PRICES } from "../../plan/cost/prices.ts";
import { costsOf } from "../../read/cost.ts";
import { needs } from "../access/needs.ts";
import type { HttpEnv } from "../hono-env.ts";

/** `/v1/cost`: what each database costs in a month, US dollars, by what was measured in the last 30 days. */
export const cost = new Hono<HttpEnv>().get("/", needs("read", "own"), async (c) => {
  const { rights } = c.get("caller");
  const costs = [...(await costsOf(c.env))].filter(([name]) => reaches(rights, name));
  const databases = costs.map(([database, one]) => ({ database, ...one }));
  const total = databases.reduce((sum, one) => sum + one.total, 0);
  return c.json({ pricesAsOf: PRICES.asOf, currency: "USD" as const, total, databases });
});
