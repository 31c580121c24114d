import { Hono } from "hono";
import * as v from "valibot";
import { rowHistory } from "../../read/history/row-history.ts";
import { needs, note } from "../access/needs.ts";
import { refuseRaw } from "../access/raw.ts";
import { HISTORY, historyAnswer } from "../answers/history.ts";
import { knownDatabase } from "../configured.ts";
import { atField, bounded, CURSOR } from "../fields.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { about, json } from "../openapi/about.ts";

/** Parts of a key at most: SQLite's own limit for columns is 2,000. */
const MOST_PARTS = 100;
const LIMIT = "must be a whole number from 1 to 1000";

const historySchema = v.strictObject({
  table: bounded(1000),
  key: v.pipe(
    v.array(v.unknown(), "must be a list of values"),
    v.minLength(1, "must have a value"),
    v.maxLength(MOST_PARTS, `must have at most ${MOST_PARTS} values`),
    v.description(
      "A value for each column of the primary key, in its order; the rowid of a table without one. Of a column with a type, text does for any value.",
    ),
  ),
  since: v.optional(atField),
  limit: v.optional(
    v.pipe(v.number(LIMIT), v.integer(LIMIT), v.minValue(1, LIMIT), v.maxValue(1000, LIMIT)),
    100,
  ),
  cursor: v.optional(v.pipe(v.string(CURSOR), v.regex(/^[\w-]{1,100}$/, CURSOR))),
});

/** `/v1/databases/:db/history` */
export const history = new Hono<HttpEnv>().post(
  "/:db/history",
  about(
    "readRowHistory",
    "Tell how one row was in all backups and moments, newest first",
    { 200: json(historyAnswer, HISTORY, "The changes of the row, and what was looked at.") },
    { text: "docs/history.md says which states are looked at, and what is read." },
  ),
  needs("download", "database", "history"),
  input("json", historySchema, { table: "orders", key: [42], since: "2026-11-20T00:00:00Z" }),
  async (c) => {
    const { rights } = c.get("caller");
    const { name } = await knownDatabase(c.env, c.req.param("db"), rights);
    await refuseRaw(c.env, name, rights);
    const { since, ...asked } = c.req.valid("json");
    const moment = since === undefined ? undefined : Date.parse(since);
    const answer = await rowHistory(c.env, name, { ...asked, since: moment });
    note(c, { table: answer.table, changes: answer.changes.length });
    return c.json(answer);
  },
);
