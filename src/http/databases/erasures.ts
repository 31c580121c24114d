import { Hono } from "hono";
import * as v from "valibot";
import { erase, erasuresOf, withdraw } from "../../read/erasures.ts";
import { requireApproval } from "../access/approval.ts";
import { needs, note } from "../access/needs.ts";
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
  who: v.optional(name),
  force: v.optional(v.boolean("must be true or false"), false),
});

const withdrawal = v.strictObject({
  reason: v.pipe(
    v.string("must be text"),
    v.minLength(1, "must not be empty"),
    v.maxLength(1000, "must have at most 1,000 characters"),
  ),
  who: v.optional(name),
});

/** `/v1/databases/:db/erasures`: rows that no restore and no download may bring back. */
export const erasures = new Hono<HttpEnv>()
  .get("/:db/erasures", needs("admin", "database"), async (c) => {
    const { name: database } = await knownDatabase(
      c.env,
      c.req.param("db"),
      c.get("caller").rights,
    );
    return c.json({ erasures: await erasuresOf(c.env, database) });
  })
  .post("/:db/erasures", needs("admin", "database", "erase"), input("json", schema), async (c) => {
    const { name: database } = await knownDatabase(
      c.env,
      c.req.param("db"),
      c.get("caller").rights,
    );
    const { who = c.get("caller").name, ...asked } = c.req.valid("json");
    await requireApproval(c, {
      ...{ action: "erase", databases: [database], request: [database, who, asked] },
      summary: `leave rows of ${asked.table} with a certain ${asked.column} out of all restores of ${database}`,
    });
    const entry = await erase(c.env, { database, who, ...asked });
    note(c, { entry: entry.id, table: asked.table, column: asked.column });
    return c.json(entry, 201);
  })
  .delete(
    "/:db/erasures/:id",
    needs("admin", "database", "erasure-withdraw"),
    input("json", withdrawal),
    async (c) => {
      const { name: database } = await knownDatabase(
        c.env,
        c.req.param("db"),
        c.get("caller").rights,
      );
      const id = c.req.param("id");
      const { who = c.get("caller").name, reason } = c.req.valid("json");
      note(c, { entry: id, reason });
      return c.json(await withdraw(c.env, { database, id, who, reason }));
    },
  );
