import { Hono } from "hono";
import * as v from "valibot";
import { verifyAudit } from "../audit/verify.ts";
import { type AuditFilter, listAudit } from "../catalog/access/audit.ts";
import { ACTIONS, type AuditRow, type Detail, OUTCOMES } from "../model/audit.ts";
import { needs } from "./access/needs.ts";
import { atField, CURSOR, limitField, text } from "./fields.ts";
import type { HttpEnv } from "./hono-env.ts";
import { input } from "./input.ts";
import { about, type Answer, json } from "./openapi/about.ts";
import {
  AUDIT,
  AUDIT_LINES,
  AUDIT_VERIFIED,
  auditAnswer,
  auditVerifiedAnswer,
} from "./answers/access.ts";

const listSchema = v.strictObject({
  database: v.optional(text(100)),
  action: v.optional(v.picklist(ACTIONS, `must be one of ${ACTIONS.join(", ")}`)),
  outcome: v.optional(v.picklist(OUTCOMES, `must be one of ${OUTCOMES.join(", ")}`)),
  actor: v.optional(text(200)),
  since: v.optional(atField),
  until: v.optional(atField),
  limit: limitField(1000, 100),
  cursor: v.optional(v.pipe(v.string(CURSOR), v.regex(/^\d{1,15}$/, CURSOR))),
});
const verifySchema = v.strictObject({
  cursor: v.optional(v.pipe(v.string(CURSOR), v.regex(/^\d{1,15}-[0-9a-f]{64}$/, CURSOR))),
});

/** A row as the API shows it: all that its hash is made of. */
function rowView({ at, detail, ...row }: AuditRow) {
  return { ...row, at: new Date(at).toISOString(), detail: JSON.parse(detail) as Detail };
}

/** The answer to a list: JSON, or a line of JSON for each row. */
const LISTED: Answer = {
  words: "A page of it; with `Accept: application/x-ndjson` a line for each row.",
  bodies: [
    ...json(auditAnswer, AUDIT).bodies,
    { type: "application/x-ndjson", example: AUDIT_LINES },
  ],
  headers: { "x-nightjar-next": "Of NDJSON: the `cursor` of the next page." },
};

/** `/v1/audit`: what was done, by whom, and that nobody has changed the record of it. */
export const audit = new Hono<HttpEnv>()
  .get(
    "/",
    about("listAudit", "List what was done and by whom, newest first", {
      200: LISTED,
    }),
    needs("admin", "all"),
    input("query", listSchema, { database: "shop", action: "restore" }),
    async (c) => {
      const { limit, cursor, since, until, ...equal } = c.req.valid("query");
      const filter: AuditFilter = {
        ...equal,
        since: since === undefined ? undefined : Date.parse(since),
        until: until === undefined ? undefined : Date.parse(until),
      };
      const before = cursor === undefined ? undefined : Number(cursor);
      // One more than the page shows tells whether there is another page.
      const found = await listAudit(c.env.catalog, filter, limit + 1, before);
      const page = found.slice(0, limit);
      const next = found.length > limit ? String(page.at(-1)!.seq) : null;
      if (!/\bapplication\/x-ndjson\b/.test(c.req.header("accept") ?? ""))
        return c.json({ rows: page.map(rowView), next });
      const lines = page.map((row) => `${JSON.stringify(rowView(row))}\n`).join("");
      if (next !== null) c.header("x-nightjar-next", next);
      return c.body(lines, 200, { "content-type": "application/x-ndjson; charset=utf-8" });
    },
  )

  // Read it from its beginning, a part at a time.
  .post(
    "/verify",
    about(
      "verifyAudit",
      "Prove that nobody has changed the audit",
      {
        200: json(auditVerifiedAnswer, AUDIT_VERIFIED, "What was found in this part of it."),
      },
      {
        text: "Reads it from its beginning, up to 50,000 rows a call, and compares it with its heads in the bucket.",
      },
    ),
    needs("admin", "all"),
    input("json", verifySchema, {}),
    async (c) => c.json(await verifyAudit(c.env, c.req.valid("json").cursor)),
  );
