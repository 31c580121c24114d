import { type Context as HonoContext, Hono } from "hono";
import * as v from "valibot";
import { record, recordOrLog } from "../../audit/record.ts";
import { log } from "../../core/log.ts";
import { PATIENCE } from "../../core/memory-budget.ts";
import { asNightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { type Selection, selectionOf } from "../../format/tables/selection.ts";
import type { DiffLine, DiffSides } from "../../model/diff-line.ts";
import { describeSide, type Diff, openDiff } from "../../read/diff.ts";
import type { Stored } from "../../read/stored.ts";
import type { Context } from "../../worker/context.ts";
import { COSTS } from "../../worker/memory.ts";
import { needs, note, takeRecording } from "../access/needs.ts";
import { refuseRaw } from "../access/raw.ts";
import { DIFF, DIFF_ROWS, DIFF_SQL, diffAnswer } from "../answers/diff.ts";
import { knownDatabase } from "../configured.ts";
import type { HttpEnv } from "../hono-env.ts";
import { input } from "../input.ts";
import { setKnownBad } from "../backups/known-bad.ts";
import { send, type Sent } from "../links/send.ts";
import { about, json } from "../openapi/about.ts";
import { findState, stateField, wordOf } from "./state-field.ts";

const name = (what: string) => v.pipe(v.string(what), v.minLength(1, what));
const diffSchema = v.strictObject({
  from: stateField,
  to: stateField,
  tables: v.optional(
    v.pipe(
      v.array(name("must be a table's name"), "must be a list of tables"),
      v.minLength(1, "must name a table"),
    ),
  ),
  detail: v.optional(
    v.pipe(
      v.picklist(["summary", "rows", "sql"], 'must be "summary", "rows" or "sql"'),
      v.description(
        "Counts; or all rows that differ, too; or the SQL that makes the one of the other.",
      ),
    ),
    "summary",
  ),
});

/** `/v1/databases/:db/diff` */
export const diff = new Hono<HttpEnv>().post(
  "/:db/diff",
  about(
    "diffDatabase",
    "Compare two backups, or moments of the page log",
    {
      200: {
        words:
          'With `summary`, what differs and how many rows. With `rows`, a line of JSON for the sides, one for each row that differs, and a last one, `{"done": …}` or `{"error": …}`. With `sql`, one transaction.',
        bodies: [
          ...json(diffAnswer, DIFF).bodies,
          { type: "application/x-ndjson", example: DIFF_ROWS },
          { type: "application/sql", example: DIFF_SQL },
        ],
        headers: {
          "x-nightjar-known-bad": "The proof that a side is bad, such as `drill failed`.",
        },
      },
    },
    {
      text: "An answer with rows without its last line, and SQL without its `COMMIT`, broke off. docs/diff.md says how rows are matched, and what is read.",
    },
  ),
  needs("download", "database", "diff"),
  input("json", diffSchema, {
    from: { backup: "3k9f0xq2v7ma" },
    to: { at: "2026-11-20T07:56:10Z" },
    detail: "summary",
  }),
  async (c) => {
    const { name: database } = await knownDatabase(
      c.env,
      c.req.param("db"),
      c.get("caller").rights,
    );
    await refuseRaw(c.env, database, c.get("caller").rights);
    const { detail, tables, ...sides } = c.req.valid("json");
    const from = await findState(c.env, database, sides.from);
    const to = await findState(c.env, database, sides.to);
    note(c, { from: wordOf(from.stored), to: wordOf(to.stored), detail });
    const selection = selectionOf({ tables, schemaOnly: false, dataOnly: false });
    const known = { from: describeSide(from.stored), to: describeSide(to.stored) };
    const opened = await open(c.env, from.stored, to.stored, selection);
    let response: Response;
    try {
      if (detail === "summary") {
        response = c.json({ ...known, ...(await opened.comparison.summarize()) });
        opened.close();
      } else {
        if (detail === "sql") await opened.comparison.refuseSql();
        response = await stream(c, detail, opened, known);
      }
    } catch (thrown) {
      opened.close();
      throw thrown;
    }
    for (const { backup } of [from, to])
      if (backup !== undefined) setKnownBad(response.headers, backup);
    return response;
  },
);

/** A comparison that holds memory until it is closed. */
interface Opened {
  readonly comparison: Diff;
  readonly close: () => void;
}

/** @throws NightjarError `BUSY`; as `openDiff` */
async function open(
  context: Context,
  ...[from, to, selection]: [Stored, Stored, Selection]
): Promise<Opened> {
  const release = await context.memory.hold(COSTS.diff, PATIENCE);
  try {
    const comparison = await openDiff(context, from, to, selection);
    const close = () => {
      comparison.close();
      release();
    };
    return { comparison, close };
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/**
 * Answer with what is made while it is sent. An error ends lines of JSON with one that tells it, and breaks
 * the connection of SQL: what was sent has no COMMIT.
 */
async function stream(
  c: HonoContext<HttpEnv>,
  detail: "rows" | "sql",
  { comparison, close }: Opened,
  sides: DiffSides,
): Promise<Response> {
  const { env } = c;
  const { by, database, subject, detail: facts } = takeRecording(c);
  const act = { ...{ by, database, subject }, action: "diff" } as const;
  await record(env, { ...act, outcome: "started", detail: { ...facts } });
  const sent: Sent = { bytes: 0 };
  const { readable, writable } = new IdentityTransformStream();
  const run = async () => {
    try {
      let failure: unknown;
      const lines = linesOf(comparison, sides, (thrown) => (failure = thrown));
      await send(detail === "sql" ? comparison.sql() : lines, writable, sent);
      if (failure !== undefined) throw failure;
      await recordOrLog(env, { ...act, outcome: "done", detail: { ...facts, ...sent } });
    } catch (thrown) {
      const { code } = asNightjarError(thrown);
      log.error("diff-broken", thrown, { database: database ?? "" });
      await recordOrLog(env, { ...act, outcome: "failed", detail: { ...facts, ...sent, code } });
    } finally {
      close();
    }
  };
  env.keepAlive(run());
  return new Response(readable, {
    headers: { "content-type": TYPES[detail], "cache-control": "no-store" },
    encodeBody: "manual",
  });
}

const TYPES = {
  rows: "application/x-ndjson; charset=utf-8",
  sql: "application/sql; charset=utf-8",
} as const;

/** @param onFailure receives the error that the last line tells */
async function* linesOf(
  comparison: Diff,
  sides: DiffSides,
  onFailure: (thrown: unknown) => void,
): AsyncIterable<Uint8Array> {
  const line = (value: DiffLine) => encode(`${JSON.stringify(value)}\n`);
  yield line(sides);
  try {
    yield* comparison.lines();
  } catch (thrown) {
    onFailure(thrown);
    yield line({ error: asNightjarError(thrown).report() });
  }
}
