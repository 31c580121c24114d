import { type Deps, randomId } from "../core/deps.ts";
import { asNightjarError, NightjarError } from "../errors/errors.ts";
import type { Source } from "../libsql/server.ts";
import type { TargetState } from "./inspect.ts";
import { BEGUN, type Marker, markTarget, readMarker, takeOver } from "./marker.ts";
import { Steps } from "./steps.ts";

/** Make the marker of a new restore into a target. */
export function newMarker(
  deps: Deps,
  { begun }: TargetState,
  fields: Pick<Marker, "what" | "began" | "tables" | "saved">,
): Marker {
  return { restore: randomId(deps), ...fields, step: begun === undefined ? 0 : BEGUN };
}

/**
 * Mark a target, or take over what an unfinished restore has left there, and run `work`. What `work` throws
 * is told as the state in which it leaves the target.
 *
 * @throws NightjarError what marking throws: nothing was changed. `RESTORE_SUPERSEDED`: another restore has
 *   taken the target. `RESTORE_INCOMPLETE`, `RESTORE_DIFFERS`: the target is marked incomplete.
 *   `RESTORE_UNVERIFIED`, `RESTORE_UNKNOWN` as `work` throws them
 */
export async function whileMarked<T>(
  target: Source,
  deps: Deps,
  state: TargetState,
  marker: Marker,
  work: (steps: Steps) => Promise<T>,
): Promise<T> {
  if (state.marker === undefined) await markTarget(target, deps, marker, state.print);
  else await takeOver(target, deps, state.marker, marker, state.print);
  try {
    return await work(new Steps(target, deps, marker.restore, marker.step));
  } catch (thrown) {
    throw await halfWay(target, deps, thrown, marker.restore);
  }
}

/** Make the error for a restore whose target is another restore's now. */
export function superseded(cause?: unknown): NightjarError {
  return new NightjarError(
    "RESTORE_SUPERSEDED",
    "The restore stopped: another restore has taken the target over.",
    { cause },
  );
}

/** Return the error of a restore that stopped after it had marked the target. */
async function halfWay(
  target: Source,
  deps: Deps,
  thrown: unknown,
  restore: string,
): Promise<NightjarError> {
  const cause = asNightjarError(thrown);
  const { code, message } = cause;
  if (["RESTORE_UNVERIFIED", "RESTORE_UNKNOWN", "RESTORE_SUPERSEDED"].includes(code)) return cause;
  if (code === "RESTORE_DIFFERS")
    return new NightjarError(code, `${message} It is marked incomplete.`, { cause });
  // Whatever the error: if the mark is another restore's, or gone, that is the reason.
  const mark = await readMarker(target, deps).catch(() => "unknown" as const);
  if (mark !== "unknown" && mark?.restore !== restore) return superseded(cause);
  return new NightjarError(
    "RESTORE_INCOMPLETE",
    `The restore stopped half-way, and the target is marked incomplete: ${message} [${code}]`,
    { cause },
  );
}
