import { readJson, readLines } from "../../core/read-body.ts";
import { parseRestoreLine, type RestoreLine } from "../../model/restore-line.ts";
import type { Plan, RestoreProgress as Step, Restored } from "../../model/restore-report.ts";
import { messageOf } from "../../errors/errors.ts";
import { whenApproved } from "../approval.ts";
import { asOfWords } from "../as-of.ts";
import { type Client, reach, refusal } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup } from "../find-backup.ts";
import { print, printJson, size } from "../output.ts";
import { Progress } from "../progress.ts";
import { confirm } from "../terminal.ts";
import type { RestoreOptions } from "./options.ts";
import { ifStopped } from "../files/unfinished.ts";
import { printWarnings, tellUnusedRules } from "../warnings.ts";

type Target = { url: string; token?: string; namespace?: string } | { database: string };

/** Hint for a target whose restore may be incomplete. */
const INCOMPLETE =
  "A target that is not complete has the table _nightjar_restore. Run the same restore again: it wipes such a target and starts anew.";
/** No line of the Worker's answer is longer, a plan with every table included; bytes. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** Let the Worker restore into a server, and show how it gets on. @throws CliError */
export async function restoreToServer(
  client: Client,
  options: RestoreOptions,
  target: Target,
  way: string | undefined,
): Promise<void> {
  const { database: db, at, tables, schemaOnly, dataOnly, verify, sanitize, overwrite } = options;
  const body = {
    target,
    ...(tables === undefined ? {} : { tables: [...tables] }),
    ...{ schemaOnly, dataOnly, verify, overwrite },
    // A Worker of before knows no such key, and refuses it.
    ...((sanitize ? { sanitize } : {}) as { sanitize: boolean }),
    // The server names the ways that it takes when this is none of them.
    way: (way ?? "auto") as "auto",
  };
  const backup = at === undefined ? await findBackup(client, db, options.backup) : undefined;
  // The plan's notes tell the rest.
  if (backup !== undefined) printWarnings({ ...backup, warnings: [] });
  const send = async (dryRun: boolean) => {
    const json = { ...body, dryRun };
    const response = await reach(
      backup !== undefined
        ? client.v1.backups[":id"].restore.$post({ param: { id: backup.id }, json })
        : client.v1.databases[":db"].restore.$post({ param: { db }, json: { at: at!, ...json } }),
    );
    if (!response.ok || response.body === null) throw await refusal(response);
    return response as { body: ReadableStream<Uint8Array> };
  };
  const plan = async () => {
    const { plan: found } = (await readJson(await send(true), LONGEST_LINE)) as { plan: Plan };
    return found;
  };
  if (options.dryRun) {
    if (options.json) printJson(await plan());
    else for (const line of planLines(await plan())) print(line);
    return;
  }
  if (overwrite && !options.yes) {
    const found = await plan();
    const replacing = { what: placeOf(found), lines: planLines(found) };
    if (found.drops.length > 0) await confirm(replacing, options.yes);
  }
  const done = await whenApproved(client, () =>
    ifStopped(`This stops the restore. ${INCOMPLETE}`, async () =>
      follow((await send(false)).body, options.json),
    ),
  );
  if (options.json) printJson(done);
  else for (const line of doneLines(done)) print(line);
}

async function follow(body: ReadableStream<Uint8Array>, quiet: boolean): Promise<Restored> {
  const progress = new Progress(quiet);
  try {
    for await (const line of linesOf(body)) {
      if ("plan" in line && !quiet) tellUnusedRules(line.plan.unusedRules);
      if ("done" in line) return line.done;
      if ("error" in line) throw new CliError(EXIT.failed, line.error.message, line.error);
      if ("state" in line) progress.show(shown(line));
    }
  } finally {
    progress.end();
  }
  throw brokenOff("Nightjar's answer ended before its last line");
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncIterable<RestoreLine> {
  try {
    for await (const line of readLines(body, LONGEST_LINE)) yield parseRestoreLine(line);
  } catch (error) {
    throw brokenOff(`Nightjar's answer broke off or makes no sense: ${messageOf(error)}`);
  }
}

function brokenOff(why: string): CliError {
  return new CliError(EXIT.failed, `${why}; the restore has stopped or goes on unseen.`, {
    code: "RESTORE_UNHEARD",
    hint: INCOMPLETE,
  });
}

function shown(step: Step): string {
  switch (step.state) {
    case "saving":
      return `backing up the target ${size(step.bytes)}`;
    case "waiting":
      return "waiting until the Worker has memory for it";
    case "wiping":
      return `wiping the target: ${step.objects}`;
    case "verifying":
      return `comparing ${step.table}: ${step.rows} rows`;
    case "writing":
      return "pages" in step
        ? `writing page ${step.pages} of ${step.of}`
        : `writing ${size(step.bytes)} of SQL`;
  }
}

function placeOf({ target }: Plan): string {
  const namespace = target.namespace === null ? "" : ` (${target.namespace})`;
  return target.database ?? target.url + namespace;
}

function planLines(plan: Plan): string[] {
  const { subject, target, way, why, only, sanitized, tables, drops, saves, loss, notes } = plan;
  const from = subject.backup === null ? "the page log" : `backup ${subject.backup}`;
  const shownTables = tables.map(
    ({ name, rows }) => `  ${name}${rows === null ? "" : `: ${rows} rows`}`,
  );
  return [
    `Would restore ${subject.database} ${asOfWords(subject)}, from ${from} (${subject.kind}, ${size(subject.bytes)}),`,
    `into ${placeOf(plan)}, which is ${target.state}, by ${way} (${why}).`,
    ...(only === null ? [] : [`Only the ${only}.`]),
    ...(sanitized ? ["Sanitized: masks in place of values."] : []),
    ...(plan.unusedRules ?? []).map((rule) => `A rule for nothing: ${rule}`),
    `${tables.length} tables:`,
    ...shownTables,
    ...(saves ? ["A backup of the target would be made first."] : []),
    ...(drops.length === 0 ? [] : ["It would be wiped of:", ...drops.map((drop) => `  ${drop}`)]),
    ...notes.map((note) => `Note: ${note}`),
    loss.words,
  ];
}

function doneLines({
  subject,
  target,
  way,
  sanitized,
  tables,
  saved,
  verified,
  seconds,
  notes,
}: Restored): string[] {
  const where = target.database ?? target.url;
  const compared =
    verified === null
      ? "Not compared (see --verify)."
      : `Compared: ${verified.rows} rows of ${verified.tables} tables ${verified.hashed ? "are the same, by hash" : "are there, by count"}.`;
  return [
    ...notes.map((note) => `Note: ${note}`),
    ...(saved === null ? [] : [`What the target held before is backup ${saved}.`]),
    `Restored ${subject.database} ${asOfWords(subject)} into ${where}${sanitized ? ", sanitized" : ""}: ${tables} tables by ${way}, in ${seconds.toFixed(1)} s. ${compared}`,
  ];
}
