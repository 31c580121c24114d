import type { Context } from "../../worker/context.ts";
import { asNightjarError, NightjarError } from "../../errors/errors.ts";
import { log } from "../../core/log.ts";
import type { RestoreProgress, Restored, Verified } from "../../model/restore-report.ts";
import { inspectTarget } from "../../target/inspect.ts";
import { BEGUN, type Marker, markTarget } from "../../target/marker.ts";
import { sendStatements } from "../../target/send-statements.ts";
import type { Steps } from "../../target/steps.ts";
import { newMarker, superseded, whileMarked } from "../../target/while-marked.ts";
import { wipeTarget } from "../../target/wipe.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { refuseLeaks } from "./masks.ts";
import { type Planned, whatOf } from "./plan.ts";
import { saveFirst } from "./save.ts";
import { compareTarget } from "./verify.ts";
import { sqlOf, writeAllPages } from "./write.ts";

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
  await refuseLeaks(context, planned);
  const marker = newMarker(deps, state, {
    what: whatOf(planned),
    began: new Date(begun).toISOString(),
    tables: selection.schema ? null : plan.tables.map(({ name }) => name),
    saved,
  });
  const { restore: id, what, tables } = marker;
  const overwrites = plan.target.state === "in use" && plan.only !== "data";
  return whileMarked(target.server, deps, state, marker, async (steps) => {
    log.info("restore-started", { restore: id, what, way: plan.way });
    try {
      await wipeTarget(steps, state, { tables, overwrites }, (objects) =>
        report({ state: "wiping", objects }),
      );
      const verified = await write(context, planned, marker, steps, report);
      const seconds = (deps.now() - begun) / 1000;
      log.info("restore-done", { restore: id, seconds });
      const { state: _, ...where } = plan.target;
      const { subject, way, sanitized, notes } = plan;
      const count = plan.tables.length;
      return {
        ...{ restore: id, subject, target: where, way, sanitized, tables: count },
        ...{ saved, verified, seconds, notes },
      };
    } catch (thrown) {
      log.error("restore-stopped", thrown, { restore: id });
      throw thrown;
    }
  });
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
    await sendStatements(steps, sqlOf(context, planned), (bytes) =>
      report({ state: "writing", bytes }),
    );
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
