import { type Context as HonoContext, Hono } from "hono";
import * as v from "valibot";
import { record, recordOrLog } from "../../audit/record.ts";
import { existingBackup } from "../../catalog/backups.ts";
import { asNightjarError } from "../../errors/errors.ts";
import type { RestoreLine } from "../../model/restore-line.ts";
import { momentAt } from "../../read/moment.ts";
import { restore } from "../../jobs/restore/restore.ts";
import { planRestore, type RestoreRequest } from "../../jobs/restore/plan.ts";
import type { Subject } from "../../jobs/restore/subject.ts";
import { log } from "../../core/log.ts";
import { reaches } from "../../plan/access.ts";
import { giveNotice } from "../../notify/notice.ts";
import { requireApproval } from "../access/approval.ts";
import { refuseRaw } from "../access/raw.ts";
import { needs, note, takeRecording } from "../access/needs.ts";
import { atField } from "../fields.ts";
import { knownDatabase, noSuchDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { wordOf, wordsOf } from "../databases/state-field.ts";
import { setKnownBad } from "./known-bad.ts";
import { targetField } from "./target-field.ts";
import { about, type About, json } from "../openapi/about.ts";
import { PLAN, planAnswer, RESTORED } from "../answers/restore.ts";

const text = (what: string) => v.pipe(v.string(what), v.minLength(1, what));
const flag = (description: string) =>
  v.optional(v.pipe(v.boolean("must be true or false"), v.description(description)), false);
const entries = {
  target: targetField,
  tables: v.optional(
    v.pipe(
      v.array(text("must be a table's name"), "must be a list of tables"),
      v.minLength(1, "must name a table"),
    ),
  ),
  schemaOnly: flag("Restore no rows."),
  dataOnly: flag("Restore rows into the tables that are there."),
  verify: flag("Compare the target with the backup afterwards."),
  overwrite: flag(
    "Drop what the target holds, after a backup of it; of a configured database only.",
  ),
  sanitize: flag("Write masks in place of values, by the rules of `sanitize`."),
  dryRun: flag("Answer with the plan, and change nothing."),
  way: v.optional(
    v.pipe(
      v.picklist(["auto", "pages", "statements"], 'must be "auto", "pages" or "statements"'),
      v.description("How the target is written to."),
    ),
    "auto",
  ),
};
const REQUEST = {
  target: { url: "libsql://dev-acme.turso.io", token: "<the token of dev-acme>" },
  verify: true,
};
const RESTORES =
  "An answer without its last line tells nothing: look for the target's mark. Whoever closes the connection stops the restore. docs/restore.md has the ways, the mark and the codes.";
const ANSWERS: About["answers"] = {
  200: {
    words:
      'With `dryRun`, the plan. Else a line of JSON for the plan, some for the progress, and a last one, `{"done": …}` or `{"error": …}`.',
    bodies: [...json(planAnswer, PLAN).bodies, { type: "application/x-ndjson", example: RESTORED }],
    headers: {
      "x-nightjar-known-bad": "The proof that the backup is bad, such as `drill failed`.",
    },
  },
};

const ofBackup = v.strictObject(entries);
const ofMoment = v.strictObject({ at: atField, ...entries });

/** `/v1/backups/:id/restore` */
export const restoreBackup = new Hono<HttpEnv>().post(
  "/:id/restore",
  about("restoreBackup", "Restore a backup into a libSQL server", ANSWERS, { text: RESTORES }),
  needs("restore", "backup", "restore"),
  input("json", ofBackup, REQUEST),
  async (c) => {
    const backup = await existingBackup(c.env.catalog, c.req.param("id"));
    const { dryRun, ...request } = c.req.valid("json");
    const response = await answer(c, { manifest: backup.manifest }, request, dryRun);
    setKnownBad(response.headers, backup);
    return response;
  },
);

/** `/v1/databases/:db/restore` */
export const restoreMoment = new Hono<HttpEnv>().post(
  "/:db/restore",
  about("restoreMoment", "Restore a moment of the page log into a libSQL server", ANSWERS, {
    text: RESTORES,
  }),
  needs("restore", "database", "restore"),
  input("json", ofMoment, { at: "2026-11-20T07:56:10Z", ...REQUEST }),
  async (c) => {
    const { name } = await knownDatabase(c.env, c.req.param("db"), c.get("caller").rights);
    const { at, dryRun, ...request } = c.req.valid("json");
    const moment = await momentAt(c.env, name, Date.parse(at));
    return answer(c, { moment }, request, dryRun);
  },
);

/**
 * A dry run's plan; else the restore, as one line of JSON for each piece of progress (at most a few a
 * second) and a last one, `{"done": …}` or `{"error": {code, message, hint}}`. What is refused before
 * anything is done is a problem like any other. A client that disconnects before the last line stops the restore.
 */
async function answer(
  c: HonoContext<HttpEnv>,
  subject: Subject,
  request: RestoreRequest,
  dryRun: boolean,
): Promise<Response> {
  const { env } = c;
  const { target, overwrite, sanitize } = request;
  const { rights } = c.get("caller");
  if (!sanitize) await refuseRaw(env, databaseOf(subject), rights);
  if ("database" in target && !reaches(rights, target.database))
    throw await noSuchDatabase(env, target.database, rights);
  const facts = {
    target: "database" in target ? target.database : target.url,
    overwrite,
    sanitize,
    dryRun,
  };
  note(c, facts);
  const planned = await planRestore(env, subject, request);
  if (dryRun) return Response.json({ plan: planned.plan });
  if ("database" in target && overwrite)
    await requireApproval(c, {
      ...{ action: "restore", databases: [target.database] },
      summary: `overwrite ${target.database} with ${wordsOf(subject)}${sanitize ? ", sanitized" : ""}`,
      request: [wordOf(subject), request],
    });
  const { by, database, subject: id, detail } = takeRecording(c);
  const act = { ...{ by, database, subject: id }, action: "restore" } as const;
  await record(env, { ...act, outcome: "started", detail: { ...detail } });
  await giveNotice(env, {
    ...{ rule: "restore-requested", severity: "warning", subject: wordOf(subject) },
    database: database ?? null,
    summary: `${by.name} restores ${wordsOf(subject)}${sanitize ? ", sanitized," : ""} to ${facts.target}${overwrite ? ", and overwrites what is there" : ""}.`,
    hint: "Who did what is in `nightjar audit`.",
  });
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  const line = (value: RestoreLine) => writer.write(encoder.encode(`${JSON.stringify(value)}\n`));

  const run = async () => {
    await line({ plan: planned.plan });
    let toldAt = 0;
    let toldState = "";
    const done = await restore(env, planned, async (progress) => {
      const now = env.deps.now();
      if (progress.state === toldState && now - toldAt < 250) return;
      toldAt = now;
      toldState = progress.state;
      await line(progress);
    });
    await recordOrLog(env, {
      ...act,
      outcome: "done",
      detail: { ...facts, seconds: done.seconds },
    });
    await line({ done });
  };
  const fail = async (thrown: unknown): Promise<void> => {
    const error = asNightjarError(thrown);
    await recordOrLog(env, { ...act, outcome: "failed", detail: { ...facts, code: error.code } });
    await line({ error: error.report() });
  };
  const answered = run()
    .catch(fail)
    .then(() => writer.close())
    .catch((thrown: unknown) => log.error("restore-answer-lost", thrown));
  env.keepAlive(answered);
  return new Response(readable, {
    headers: { "content-type": "application/x-ndjson; charset=utf-8", "cache-control": "no-store" },
  });
}

function databaseOf(subject: Subject): string {
  return "manifest" in subject ? subject.manifest.database : subject.moment.database;
}
