import { Hono } from "hono";
import * as v from "valibot";
import { erase, erasuresOf, withdraw } from "../../read/erasures.ts";
import { requireApproval } from "../access/approval.ts";
import { needs, note } from "../access/needs.ts";
import { knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { bounded } from "../fields.ts";
import { about, json } from "../openapi/about.ts";
import {
  ERASED,
  erasedAnswer,
  ERASURE,
  erasureAnswer,
  erasuresAnswer,
  WITHDRAWN,
} from "../answers/erasure.ts";

const name = bounded(200);

const schema = v.strictObject({
  table: name,
  column: name,
  key: v.pipe(
    v.union(
      [bounded(1000), v.pipe(v.number(), v.safeInteger())],
      "must be text of 1 to 1,000 characters, or a whole number",
    ),
    v.description("The value of the column that tells whose row it is."),
    v.transform(String),
  ),
  who: v.optional(v.pipe(name, v.description("Who asks for it; the token's name if left out."))),
  force: v.optional(
    v.pipe(
      v.boolean("must be true or false"),
      v.description("Add it also where the newest schema has no such table or column."),
    ),
    false,
  ),
});

const withdrawal = v.strictObject({
  reason: bounded(1000),
  who: v.optional(name),
});

/** `/v1/databases/:db/erasures`: rows that no restore and no download may bring back. */
export const erasures = new Hono<HttpEnv>()
  .get(
    "/:db/erasures",
    about("listErasures", "List the rows that no restore and no download brings back", {
      200: json(
        erasuresAnswer,
        { erasures: [ERASURE] },
        "The whole list, with what opens each entry.",
      ),
    }),
    needs("admin", "database"),
    async (c) => {
      const { name: database } = await knownDatabase(
        c.env,
        c.req.param("db"),
        c.get("caller").rights,
      );
      return c.json({ erasures: await erasuresOf(c.env, database) });
    },
  )
  .post(
    "/:db/erasures",
    about(
      "addErasure",
      "Leave rows out of all restores and downloads from now on",
      {
        201: json(erasedAnswer, ERASED, "The entry. Of the key only an HMAC is kept."),
      },
      {
        text: "`ERASURE_UNKNOWN` (422) where the newest schema has no such table or column, unless `force`.",
      },
    ),
    needs("admin", "database", "erase"),
    input("json", schema, { table: "customers", column: "email", key: "ann@example.com" }),
    async (c) => {
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
    },
  )
  .delete(
    "/:db/erasures/:id",
    about(
      "withdrawErasure",
      "Take an entry of the erasure list back",
      {
        200: json(
          erasureAnswer,
          WITHDRAWN,
          "The entry, which stays in the list and applies no more.",
        ),
      },
      { path: { id: ["The entry's id.", ERASURE.id] } },
    ),
    needs("admin", "database", "erasure-withdraw"),
    input("json", withdrawal, { reason: "wrong customer" }),
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
