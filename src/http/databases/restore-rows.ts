import { Hono } from "hono";
import * as v from "valibot";
import { record, recordOrLog } from "../../audit/record.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { type PlannedRows, planRows } from "../../jobs/restore/rows/plan-rows.ts";
import { restoreRows } from "../../jobs/restore/rows/restore-rows.ts";
import { viewRows } from "../../jobs/restore/rows/view-rows.ts";
import { giveNotice } from "../../notify/notice.ts";
import { reaches } from "../../plan/access.ts";
import { atOnce, COSTS } from "../../worker/memory.ts";
import { requireApproval } from "../access/approval.ts";
import { needs, note, takeRecording } from "../access/needs.ts";
import { refuseRaw } from "../access/raw.ts";
import { ROWS_PLANNED, rowsRestoredAnswer } from "../answers/restore-rows.ts";
import { setKnownBad } from "../backups/known-bad.ts";
import { targetField } from "../backups/target-field.ts";
import { knownDatabase, noSuchDatabase } from "../configured.ts";
import { bounded } from "../fields.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { about, json } from "../openapi/about.ts";
import { findState, stateField, wordOf, wordsOf } from "./state-field.ts";

const flag = (description: string) =>
  v.optional(v.pipe(v.boolean("must be true or false"), v.description(description)), false);
const PLAN = "must be the `plan` of a dry run";

const rowsSchema = v.strictObject({
  from: stateField,
  target: targetField,
  table: bounded(1000),
  where: v.pipe(
    bounded(10_000),
    v.description("An SQL expression of the table's columns: rows for which it is true."),
  ),
  withParents: flag("Restore the rows that the chosen ones refer to, where the target lacks them."),
  dryRun: flag("Answer with what would change, and change nothing."),
  plan: v.optional(
    v.pipe(
      v.string(PLAN),
      v.regex(/^[0-9a-f]{64}$/, PLAN),
      v.description("Write exactly what a dry run has shown, or nothing."),
    ),
  ),
});

/** `/v1/databases/:db/restore-rows` */
export const restoreSomeRows = new Hono<HttpEnv>().post(
  "/:db/restore-rows",
  about(
    "restoreRows",
    "Restore single rows of a backup or a moment into a libSQL server",
    {
      200: {
        ...json(rowsRestoredAnswer, ROWS_PLANNED, "What differs, and whether it was written."),
        headers: {
          "x-nightjar-known-bad": "The proof that the backup is bad, such as `drill failed`.",
        },
      },
    },
    {
      text: "The target may be the source itself. All rows are written in one transaction, or none is. docs/restore.md says what is compared and refused.",
    },
  ),
  needs("restore", "database", "restore"),
  input("json", rowsSchema, {
    ...{ from: { backup: "3k9f0xq2v7ma" }, target: { database: "shop" } },
    ...{ table: "orders", where: "id in (41, 42)", dryRun: true },
  }),
  async (c) => {
    const { env } = c;
    const caller = c.get("caller");
    const { name } = await knownDatabase(env, c.req.param("db"), caller.rights);
    await refuseRaw(env, name, caller.rights);
    const { from, dryRun, plan, ...request } = c.req.valid("json");
    const { target } = request;
    if ("database" in target && !reaches(caller.rights, target.database))
      throw await noSuchDatabase(env, target.database, caller.rights);
    const to = "database" in target ? target.database : target.url;
    const { stored, backup } = await findState(env, name, from);
    note(c, { state: wordOf(stored), table: request.table.slice(0, 200), target: to, dryRun });
    const answer = await atOnce(env, COSTS.restoreRows, async () => {
      const planned = await planRows(env, stored, request);
      const view = viewRows(planned);
      if (plan !== undefined && plan !== planned.digest) throw changed(request.table);
      const counts = { added: total(view, "added"), changed: total(view, "changed") };
      note(c, { asOf: planned.subject.asOf, ...counts });
      if (dryRun || counts.added + counts.changed === 0) return { ...view, written: false };
      const { database } = planned.target;
      if (database !== null)
        await requireApproval(c, {
          ...{ action: "restore", databases: [database] },
          summary: `restore rows of ${request.table} from ${wordsOf(stored)} into ${database}: ${counts.added} added, ${counts.changed} changed`,
          request: [wordOf(stored), request, planned.digest],
        });
      const { by, subject, detail, database: own } = takeRecording(c);
      const act = { ...{ by, database: own, subject }, action: "restore" } as const;
      await record(env, { ...act, outcome: "started", detail: { ...detail } });
      await giveNotice(env, {
        ...{ rule: "restore-requested", severity: "warning", subject: wordOf(stored) },
        database: name,
        summary: `${by.name} restores rows of ${request.table} from ${wordsOf(stored)} to ${to}: ${counts.added} added, ${counts.changed} changed.`,
        hint: "Who did what is in `nightjar audit`.",
      });
      const written = write(planned);
      env.keepAlive(written.catch(() => undefined));
      await written;
      return { ...view, written: true };

      async function write(rows: PlannedRows): Promise<void> {
        try {
          await restoreRows(env, rows);
          await recordOrLog(env, { ...act, outcome: "done", detail: { ...detail } });
        } catch (thrown) {
          const { code } = asNightjarError(thrown);
          await recordOrLog(env, { ...act, outcome: "failed", detail: { ...detail, code } });
          throw thrown;
        }
      }
    });
    const response = c.json(answer);
    if (backup !== undefined) setKnownBad(response.headers, backup);
    return response;
  },
);

function changed(table: string): NightjarError {
  return new NightjarError(
    "TARGET_CHANGED",
    `What would be restored into ${table} is no longer what was shown. Nothing was written.`,
  );
}

function total({ tables }: ReturnType<typeof viewRows>, change: "added" | "changed"): number {
  return tables.reduce((sum, table) => sum + table[change], 0);
}
