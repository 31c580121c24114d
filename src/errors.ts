import { TRAITS } from "./error-traits.ts";

export type ErrorCode = keyof typeof TRAITS;

/** How an error stands in the catalog, the API and the log. Never holds a secret. */
export interface ErrorReport {
  code: ErrorCode;
  message: string;
  hint: string;
}

export class NightjarError extends Error {
  override readonly name = "NightjarError";
  readonly code: ErrorCode;
  /** What to do next. */
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.hint = options.hint ?? TRAITS[code].hint;
  }

  /** The HTTP status that this error answers with. */
  get status(): number {
    return TRAITS[this.code].status;
  }

  /** Whether the same attempt may succeed later with nothing changed. */
  get retryable(): boolean {
    return TRAITS[this.code].retryable;
  }

  report(): ErrorReport {
    return { code: this.code, message: this.message, hint: this.hint };
  }
}

/** Whatever was thrown, as a NightjarError; the unknown gets the code `otherwise`. */
export function asNightjarError(thrown: unknown, otherwise: ErrorCode = "INTERNAL"): NightjarError {
  if (thrown instanceof NightjarError) return thrown;
  return new NightjarError(otherwise, messageOf(thrown), { cause: thrown });
}

/** Run `action`; what it throws becomes an error of `code` whose message starts with `what`. */
export async function orFail<T>(
  code: ErrorCode,
  what: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw new NightjarError(code, `${what}: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** The message of a thrown value and of its causes, on one line. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause = thrown.cause === undefined ? "" : messageOf(thrown.cause);
  return cause === "" || thrown.message.includes(cause)
    ? thrown.message
    : `${thrown.message}: ${cause}`;
}
