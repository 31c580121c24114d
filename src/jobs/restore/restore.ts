import type { Context } from "../../worker/context.ts";
import { randomId } from "../../core/deps.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { encode } from "../../format/bytes/bytes.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { log } from "../../core/log.ts";
import type { RestoreProgress, Restored, Verified } from "../../model/restore-report.ts";
import { type Marker, markTarget, nameTables, readMarker, takeOver } from "../../target/marker.ts";
import { inspectTarget } from "../../target/inspect.ts";
import { Steps } from "../../target/steps.ts";
import { dropAll } from "../../target/wipe.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { refuseLeaks } from "./masks.ts";
import { type Planned, whatOf } from "./plan.ts";
import { saveFirst } from "./save.ts";
import { compareTarget } from "./verify.ts";
import { writeAllPages, writeStatements } from "./write.ts";

/** The step of the marker of a target that a restore has begun to change; see `Marker`. */
const BEGUN = 2;

type Report = (progress: RestoreProgress) => Promise<void>;

/**
 * Carry out a planned restore. The target is marked incomplete from before the first byte is written
 * until after the last one; a restore into a target with that mark wipes it and starts again.
 *
 * @param report receives the progress; what it throws stops the restore
 * @throws NightjarError `OVERWRITE_UNSAVED`, `SANITIZE_UNSAFE` and what marking the target throws: nothing
 *   was changed;
 *   `RESTORE_SUPERSEDED`: another restore has taken the target; `RESTORE_INCOMPLETE`,
 *   `RESTORE_DIFFERS`: the target is marked incomplete; `RESTORE_UNVERIFIED`: it is written, but could
 *   not be compared
 */
export async function restore(
  context: Context,
  planned: Planned,
  report: Report,
): Promise<Restored> {
  const { deps } = context;
  const begun = deps.now();
  // The backup that is made first waits for memory of its own: nothing is held meanwhile.
  const saved = await save(context, planned, report);
  if (context.memory.held > 0) await report({ state: "waiting" });
  return inTurn(context, COSTS.restore, () => carryOut(context, planned, report, begun, saved));
}

async function carryOut(
  context: Context,
  planned: Planned,
  report: Report,
  begun: number,
  saved: string | null,
): Promise<Restored> {
  const { deps } = context;
  const { plan, state, target, selection } = planned;
  const id = randomId(deps);
  const step = state.begun === undefined ? 0 : BEGUN;
  await refuseLeaks(context, planned);
  const marker: Marker = {
    restore: id,
    what: whatOf(planned),
    began: new Date(begun).toISOString(),
    tables: selection.schema ? null : plan.tables.map(({ name }) => name),
    saved,
    step,
  };
  if (state.marker === undefined) await markTarget(target.server, deps, marker, state.print);
  else await takeOver(target.server, deps, state.marker, marker, state.print);
  log.info("restore-started", { restore: id, what: marker.what, way: plan.way });
  try {
    const steps = new Steps(target.server, deps, id, step);
    await wipe(planned, marker, steps, report);
    const verified = await write(context, planned, marker, steps, report);
    const seconds = (deps.now() - begun) / 1000;
    log.info("restore-done", { restore: id, seconds });
    const { state: _, ...where } = plan.target;
    const { subject, way, sanitized, notes } = plan;
    const facts = { restore: id, subject, target: where, way, sanitized };
    return { ...facts, tables: plan.tables.length, saved, verified, seconds, notes };
  } catch (thrown) {
    throw await halfWay(context, planned, thrown, id);
  }
}

async function save(context: Context, planned: Planned, report: Report): Promise<string | null> {
  const { plan, state, target } = planned;
  if (!plan.saves) return state.marker?.saved ?? null;
  if (target.database === null || !target.configured)
    throw new NightjarError("INTERNAL", "A target is overwritten that cannot be backed up.");
  return saveFirst(context, target.database, `before restoring ${whatOf(planned)}`, (bytes) =>
    report({ state: "saving", bytes }),
  );
}

/** Remove what an unfinished restore has left, or what is overwritten; each object in a step of its own. */
async function wipe(
  { state, plan }: Planned,
  { tables }: Marker,
  steps: Steps,
  report: Report,
): Promise<void> {
  const left = state.begun?.tables;
  const overwrites =
    state.begun !== undefined || (plan.target.state === "in use" && plan.only !== "data");
  const statements = !overwrites
    ? []
    : left != null
      ? left.map((name) => `DELETE FROM ${quoteName(name)};\n`)
      : dropAll(state.objects);
  let objects = 0;
  for (const statement of statements) {
    await steps.write([encode(statement)]);
    await report({ state: "wiping", objects: ++objects });
  }
  if (state.begun !== undefined) await steps.write([encode(nameTables(tables))]);
}

async function write(
  context: Context,
  planned: Planned,
  marker: Marker,
  steps: Steps,
  report: Report,
): Promise<Verified | null> {
  const compare = () =>
    compareTarget(context, planned, (table, rows) => report({ state: "verifying", table, rows }));
  if (planned.plan.way === "statements") {
    await writeStatements(context, planned, steps, (bytes) => report({ state: "writing", bytes }));
    const verified = await compare();
    await steps.finish();
    return verified;
  }
  await writeAllPages(context, planned, marker.restore, steps.step, (pages, of) =>
    report({ state: "writing", pages, of }),
  );
  try {
    const verified = await compare();
    await refuseTaken(context, planned);
    return verified;
  } catch (thrown) {
    const { code, message } = asNightjarError(thrown);
    if (code === "RESTORE_SUPERSEDED") throw thrown;
    if (code !== "RESTORE_DIFFERS")
      throw new NightjarError(
        "RESTORE_UNVERIFIED",
        `The target could not be compared: ${message}`,
        {
          cause: thrown,
        },
      );
    // The mark was overwritten with the old pages: mark a target that differs again, so that it does
    // not count as complete.
    const { server } = planned.target;
    const { print } = await inspectTarget(server, context.deps);
    await markTarget(server, context.deps, { ...marker, step: BEGUN }, print);
    throw thrown;
  }
}

/**
 * Refuse to call a target complete if another restore has marked it since the pages were written.
 *
 * @throws NightjarError `RESTORE_SUPERSEDED`; as `inspectTarget`
 */
async function refuseTaken({ deps }: Context, { target }: Planned): Promise<void> {
  const { marker } = await inspectTarget(target.server, deps);
  if (marker !== undefined) throw superseded();
}

function superseded(cause?: unknown): NightjarError {
  return new NightjarError(
    "RESTORE_SUPERSEDED",
    "The restore stopped: another restore has taken the target over.",
    { cause },
  );
}

/** Return the error of a restore that stopped after it had marked the target. */
async function halfWay(
  { deps }: Context,
  { target }: Planned,
  thrown: unknown,
  restoreId: string,
): Promise<NightjarError> {
  const cause = asNightjarError(thrown);
  log.error("restore-stopped", cause, { restore: restoreId });
  const { code, message } = cause;
  if (["RESTORE_UNVERIFIED", "RESTORE_UNKNOWN", "RESTORE_SUPERSEDED"].includes(code)) return cause;
  if (code === "RESTORE_DIFFERS")
    return new NightjarError(code, `${message} It is marked incomplete.`, { cause });
  // Whatever the error: if the mark is another restore's, or gone, that is the reason.
  const mark = await readMarker(target.server, deps).catch(() => "unknown" as const);
  if (mark !== "unknown" && mark?.restore !== restoreId) return superseded(cause);
  return new NightjarError(
    "RESTORE_INCOMPLETE",
    `The restore stopped half-way, and the target is marked incomplete: ${message} [${code}]`,
    { cause },
  );
}
