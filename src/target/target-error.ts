import { asNightjarError, type ErrorCode, NightjarError } from "../errors/errors.ts";
import { redact, type Source } from "../libsql/server.ts";

/** The error of a target for each failure of a server. */
const MEANING: Partial<Record<ErrorCode, ErrorCode>> = {
  SOURCE_UNREACHABLE: "TARGET_UNREACHABLE",
  SOURCE_UNAUTHORIZED: "TARGET_UNAUTHORIZED",
  SOURCE_NOT_FOUND: "TARGET_NOT_FOUND",
  SOURCE_ERROR: "TARGET_FAILED",
  PAGES_INVALID: "TARGET_FAILED",
  SOURCE_CUT: "TARGET_FAILED",
  SOURCE_STALLED: "TARGET_FAILED",
};

/** Turn a server's error into a target's. The token is removed from whatever the server said. */
export function asTargetError(target: Source, thrown: unknown): NightjarError {
  const { code, message, hint, answered } = asNightjarError(thrown);
  const meaning = MEANING[code];
  return new NightjarError(meaning ?? code, redact(message, target), {
    cause: thrown,
    answered,
    ...(meaning === undefined ? { hint } : {}),
  });
}
