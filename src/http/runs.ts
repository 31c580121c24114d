import { Hono } from "hono";
import * as v from "valibot";
import { existingRun, listRuns } from "../catalog/runs.ts";
import { RUN_STATES } from "../model/run-state.ts";
import { listable } from "../plan/access.ts";
import { needs } from "./access/needs.ts";
import { text } from "./fields.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { newestFirst, pageOf, placeOf } from "./paging.ts";
import { runView } from "./views.ts";
import { about, json } from "./openapi/about.ts";
import { RUN, runAnswer, runsAnswer } from "./answers/run.ts";

const listSchema = v.strictObject({
  ...newestFirst,
  database: v.optional(text(100)),
  state: v.optional(v.picklist(RUN_STATES, `must be one of ${RUN_STATES.join(", ")}`)),
});

/** `/v1/runs`: how runs went, and how one is getting on. */
export const runs = new Hono<HttpEnv>()
  .get(
    "/",
    about("listRuns", "List runs, newest first", {
      200: json(runsAnswer, { runs: [RUN], next: null }, "A page of them."),
    }),
    needs("read", "own"),
    input("query", listSchema, { database: "shop", state: "failed" }),
    async (c) => {
      const { rights } = c.get("caller");
      const { limit, cursor, database, state } = c.req.valid("query");
      const databases = listable(rights, database);
      const filter = { databases, state };
      const found = await listRuns(c.env.catalog, filter, limit + 1, placeOf(cursor));
      const { page, next } = pageOf(found, limit, ({ createdAt }) => createdAt);
      return c.json({ runs: page.map(runView), next });
    },
  )

  .get(
    "/:id",
    about("getRun", "Show how a run is getting on, or how it ended", {
      200: json(runAnswer, RUN, "The run."),
    }),
    needs("read", "run"),
    async (c) => c.json(runView(await existingRun(c.env.catalog, c.req.param("id")))),
  );
