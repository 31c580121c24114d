import { Hono } from "hono";
import { reaches } from "../../plan/access.ts";
import { PRICES } from "../../plan/cost/prices.ts";
import { costsOf } from "../../read/cost.ts";
import { needs } from "../access/needs.ts";
import type { HttpEnv } from "../hono-env.ts";
import { about, json } from "../openapi/about.ts";
import { COST, costAnswer } from "../answers/watch.ts";

/** `/v1/cost`: what each database costs in a month, US dollars, by what was measured in the last 30 days. */
export const cost = new Hono<HttpEnv>().get(
  "/",
  about("getCost", "Estimate what each database costs in a month", {
    200: json(costAnswer, COST, "US dollars, by what was measured in the last 30 days."),
  }),
  needs("read", "own"),
  async (c) => {
    const { rights } = c.get("caller");
    const costs = [...(await costsOf(c.env))].filter(([name]) => reaches(rights, name));
    const databases = costs.map(([database, one]) => ({ database, ...one }));
    const total = databases.reduce((sum, one) => sum + one.total, 0);
    return c.json({ pricesAsOf: PRICES.asOf, currency: "USD" as const, total, databases });
  },
);
