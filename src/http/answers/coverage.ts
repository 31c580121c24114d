import * as v from "valibot";
import { STATES } from "../../plan/freshness.ts";
import { count, errorReport, moment, next, said } from "./parts.ts";

export const coverageAnswer = v.object({
  organization: said(
    v.nullable(v.string()),
    "Turso's organization whose databases are found; null if there is none, or while `mistakes` has any.",
  ),
  listedAt: said(
    v.nullable(moment),
    "When Turso's list was last read to its end; null if it never was.",
  ),
  everySeconds: said(v.nullable(count), "How often it is read."),
  error: said(v.nullable(errorReport), "Why it could not be read the last time."),
  mistakes: said(
    v.array(v.object({ path: v.string(), fix: v.string() })),
    "What is wrong in the section `TURSO`. With any, nothing that Turso lists is protected by it.",
  ),
  counts: said(
    v.nullable(
      v.object({
        configured: said(count, "Entries of `DATABASES`."),
        found: said(count, "Databases that Turso lists."),
        unprotected: said(count, "Of both, those that are not protected."),
        gone: said(count, "Databases that Turso lists no longer."),
      }),
    ),
    "Null on later pages.",
  ),
  databases: v.array(
    v.object({
      name: v.string(),
      origin: said(
        v.picklist(["DATABASES", "TURSO"]),
        "The section of the configuration by which Nightjar knows it.",
      ),
      group: said(v.nullable(v.string()), "Turso's group; null where Turso does not list it."),
      hostname: v.string(),
      protected: v.boolean(),
      why: said(
        v.nullable(
          v.picklist([
            ...(["group", "not-included", "excluded", "name-taken", "configured", "gone"] as const),
            "misconfigured",
          ]),
        ),
        "Why it is not protected, or `configured`: an entry of `DATABASES` protects it under another name.",
      ),
      state: said(
        v.nullable(v.picklist(STATES)),
        "How its backups are: docs/verification.md; null if it is not protected.",
      ),
      words: said(v.string(), "Why, and what to do, for people."),
    }),
  ),
  next,
});

export const COVERAGE: v.InferInput<typeof coverageAnswer> = {
  ...{ organization: "acme", listedAt: "2026-11-20T08:00:00.000Z", everySeconds: 3600 },
  ...{ error: null, mistakes: [] },
  counts: { configured: 1, found: 250, unprotected: 1, gone: 2 },
  databases: [
    {
      ...{ name: "scratch", origin: "TURSO", group: "default" },
      ...{ hostname: "scratch-acme.turso.io", protected: false, why: "not-included", state: null },
      words:
        "No pattern in `include` of TURSO fits its name: add one, or name the database in DATABASES.",
    },
  ],
  next: null,
};

const names = v.object({
  count,
  names: said(v.array(v.string()), "The first 100 of them."),
});
export const discoveryAnswer = v.object({
  listed: said(count, "Databases that Turso lists."),
  added: said(names, "Names that are new, or listed again."),
  replaced: said(names, "Names behind which there is another database than before."),
  gone: said(names, "Names that Turso lists no longer."),
});

export const DISCOVERY: v.InferInput<typeof discoveryAnswer> = {
  listed: 250,
  added: { count: 1, names: ["acme-17"] },
  replaced: { count: 0, names: [] },
  gone: { count: 0, names: [] },
};
