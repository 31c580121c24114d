import { asNightjarError, type ErrorCode, NightjarError } from "../errors/errors.ts";
import { redact, type Source } from "../libsql/server.ts";

/** What each failure of a server means when it is written to. */
const MEANING: Partial<Record<ErrorCode, ErrorCode>> = {
  SOURCE_UNREACHABLE: "TARGET_UNREACHABLE",
  SOURCE_UNAUTHORIZED: "TARGET_UNAUTHORIZED",
  SOURCE_NOT_FOUND: "TARGET_NOT_FOUND",
  SOURCE_ERROR: "TARGET_FAILED",
  PAGES_INVALID: "TARGET_FAILED",
  SOURCE_CUT: "TARGET_FAILED",
  SOURCE_STALLED: "TARGET_FAILED",
};

/** What went wrong with a server as a target's error; its token is taken out of whatever it said. */
export function asTargetError(target: Source, thrown: unknown): NightjarError {
  const { code, message, hint, answered } = asNightjarError(thrown);
  const meaning = MEANING[code];
  return new NightjarError(meaning ?? code, redact(message, target), {
    cause: thrown,
    answered,
    ...(meaning === undefined ? { hint } : {}),
  });
}
