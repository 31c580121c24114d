import { Hono } from "hono";
import * as v from "valibot";
import { erase, erasuresOf, withdraw } from "../../read/erasures.ts";
import { knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";

const name = v.pipe(
  v.string("must be a name"),
  v.minLength(1, "must not be empty"),
  v.maxLength(200, "must have at most 200 characters"),
);

const schema = v.strictObject({
  table: name,
  column: name,
  key: v.pipe(
    v.union([v.string(), v.pipe(v.number(), v.safeInteger())], "must be text or a whole number"),
    v.transform(String),
    v.minLength(1, "must not be empty"),
    v.maxLength(1000, "must have at most 1,000 characters"),
  ),
  who: v.optional(name, "admin"),
  force: v.optional(v.boolean("must be true or false"), false),
});

const withdrawal = v.strictObject({
  reason: v.pipe(
    v.string("must be text"),
    v.minLength(1, "must not be empty"),
    v.maxLength(1000, "must have at most 1,000 characters"),
  ),
  who: v.optional(name, "admin"),
});

/** `/v1/databases/:db/erasures`: rows that no restore and no download may bring back. */
export const erasures = new Hono<HttpEnv>()
  .get("/:db/erasures", async (c) => {
    const { name: database } = await knownDatabase(c.env, c.req.param("db"));
    return c.json({ erasures: await erasuresOf(c.env, database) });
  })
  .post("/:db/erasures", input("json", schema), async (c) => {
    const { name: database } = await knownDatabase(c.env, c.req.param("db"));
    return c.json(await erase(c.env, { database, ...c.req.valid("json") }), 201);
  })
  .delete("/:db/erasures/:id", input("json", withdrawal), async (c) => {
    const { name: database } = await knownDatabase(c.env, c.req.param("db"));
    const id = c.req.param("id");
    return c.json(await withdraw(c.env, { database, id, ...c.req.valid("json") }));
  });
