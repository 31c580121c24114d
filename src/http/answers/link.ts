import * as v from "valibot";
import { FORMATS } from "../../plan/formats.ts";
import { place } from "./backup.ts";
import { knownBadAnswer } from "./proof.ts";
import { BACKUP_ID, count, LINEAGE, moment, next, said } from "./parts.ts";

const LEFT_OUT = ["content elsewhere", "no content", "module not known", "not readable"] as const;
const made = {
  id: v.string(),
  url: said(v.pipe(v.string(), v.url()), "The download. Whoever has it needs nothing else."),
  format: v.picklist(FORMATS),
  expiresAt: moment,
  erasures: said(count, "Entries of the erasure list whose rows are left out."),
  export: said(
    v.nullable(
      v.object({
        tables: v.array(
          v.object({
            name: v.string(),
            columns: v.array(v.string()),
            sequence: said(
              v.nullable(v.string()),
              "The greatest number that AUTOINCREMENT gave; null if it has none.",
            ),
          }),
        ),
        leftOut: said(
          v.array(v.object({ name: v.string(), why: v.picklist(LEFT_OUT) })),
          "Virtual tables without rows of their own, and those that cannot be read.",
        ),
      }),
    ),
    "What ndjson, json and csv hold, in its order; null for other formats.",
  ),
  unusedRules: said(
    v.nullable(v.array(v.string())),
    "Rules and references of `sanitize` for tables and columns that are not there; null if nothing is masked.",
  ),
  subset: said(
    v.nullable(v.array(v.object({ name: v.string(), rows: count }))),
    "Rows that the subset of `sanitize` keeps of each table, those of the erasure list counted too; null without one.",
  ),
};
export const backupLinkAnswer = v.object({ ...made, knownBad: v.nullable(knownBadAnswer) });
const momentFacts = {
  ...place.entries,
  committedAt: said(moment, "The last commit in it."),
  uncertaintyMs: said(v.nullable(count), "It may have been made so much earlier; null if unknown."),
};
export const momentLinkAnswer = v.object({
  ...made,
  moment: v.object({ ...momentFacts, bytes: said(count, "Of the database file.") }),
});
export const linksAnswer = v.object({
  links: v.array(
    v.object({
      id: v.string(),
      database: v.nullable(v.string()),
      subject: said(v.string(), "The backup's id, or `log/<database>/<lineage>/<txid>`."),
      format: v.picklist(FORMATS),
      state: v.picklist(["valid", "expired", "revoked", "used up"]),
      createdBy: v.string(),
      createdAt: moment,
      expiresAt: moment,
      revokedAt: v.nullable(moment),
      maxUses: v.nullable(count),
      uses: count,
      address: v.nullable(v.string()),
      choice: said(
        v.nullable(
          v.object({
            tables: v.optional(v.array(v.string())),
            where: v.optional(v.record(v.string(), v.string())),
            only: v.optional(v.picklist(["schema", "data"])),
            blobs: v.optional(v.picklist(["base64", "hex"])),
            order: v.optional(v.picklist(["stored", "key"])),
            sanitize: v.optional(v.literal(true)),
            raw: v.optional(v.literal(true)),
          }),
        ),
        "The part of the database that it gives; null for all of it.",
      ),
    }),
  ),
  next,
});

/** A value of SQLite; JSON has no form for some. */
const value = said(
  v.union([
    v.null(),
    v.boolean(),
    v.number(),
    v.string(),
    v.object({ integer: v.string() }),
    v.object({ real: v.string() }),
    v.object({ blob: v.string() }),
    v.object({ text: v.string() }),
  ]),
  "What JSON has no form for: an integer beyond 2^53 or a real as text, a blob and text that is not UTF-8 as base64.",
);
const queried = {
  columns: v.array(v.string()),
  rows: v.array(v.array(value)),
  truncated: said(v.literal(false), "An answer is whole, or an error."),
  steps: said(count, "Steps of SQLite's machine."),
  pages: said(count, "Pages that were read."),
  reads: said(count, "Reads of the bucket."),
};
export const queryAnswer = v.object(queried);
export const momentQueryAnswer = v.object({ ...queried, moment: v.object(momentFacts) });

const ID = "h2k9s0d4m7qx";
const LINK = `https://nightjar.example/d/${ID}.t2x1mc.Qm3vS0cJ8nYy1tqk5hTz9o2xWb7uRfLdEaGiPsKvNj4/`;
export const BACKUP_LINK: v.InferInput<typeof backupLinkAnswer> = {
  ...{ id: ID, url: `${LINK}shop-20261120T020001Z-${BACKUP_ID}.sql.gz`, format: "sql.gz" },
  ...{ expiresAt: "2026-11-20T09:00:00.000Z", erasures: 0, knownBad: null, export: null },
  ...{ unusedRules: null, subset: null },
};
const MOMENT = {
  ...{ lineage: LINEAGE, txid: 415, committedAt: "2026-11-20T07:56:10.000Z", uncertaintyMs: 0 },
};
export const MOMENT_LINK: v.InferInput<typeof momentLinkAnswer> = {
  ...{ id: ID, url: `${LINK}shop-20261120T075610Z-5t0w8n2rj6pb-415.sql.gz`, format: "sql.gz" },
  ...{ expiresAt: "2026-11-20T09:00:00.000Z", erasures: 0, export: null },
  ...{ unusedRules: null, subset: null },
  moment: { ...MOMENT, bytes: 102_400 },
};
export const LINKS: v.InferInput<typeof linksAnswer> = {
  links: [
    {
      ...{ id: ID, database: "shop", subject: BACKUP_ID, format: "sql.gz", state: "valid" },
      ...{ createdBy: "ADMIN_TOKEN", createdAt: "2026-11-20T08:00:00.000Z" },
      ...{ expiresAt: "2026-11-20T09:00:00.000Z", revokedAt: null },
      ...{ maxUses: 3, uses: 1, address: null, choice: null },
    },
  ],
  next: null,
};
export const QUERIED: v.InferInput<typeof queryAnswer> = {
  columns: ["id", "name", "photo"],
  rows: [[1, "AC/DC", { blob: "iVBORw0KGgo=" }]],
  ...{ truncated: false, steps: 1000, pages: 3, reads: 2 },
};
export const MOMENT_QUERIED = { ...QUERIED, moment: MOMENT };
