import { TRAITS } from "./codes.ts";

export type ErrorCode = keyof typeof TRAITS;

/** An error as the catalog, the API and the log give it. It never holds a secret. */
export interface ErrorReport {
  code: ErrorCode;
  message: string;
  hint: string;
}

export class NightjarError extends Error {
  override readonly name = "NightjarError";
  readonly code: ErrorCode;
  /** The next thing to do. */
  readonly hint: string;
  /** The HTTP status that a server refused a request with, where that is what went wrong. */
  readonly answered: number | undefined;
  /** Further members of the problem that the API answers with. */
  readonly facts: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      hint?: string;
      cause?: unknown;
      answered?: number | undefined;
      facts?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.answered = options.answered;
    this.facts = options.facts ?? {};
    this.hint = options.hint ?? TRAITS[code].hint;
  }

  /** The HTTP status that this error answers with. */
  get status(): number {
    return TRAITS[this.code].status;
  }

  /** True if the same attempt may succeed later with nothing changed. */
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

/** Time limit of one request to R2 or D1, ms: those that answer at all need a few seconds. */
const PATIENCE = 120_000;

/**
 * Run `action`, one request to R2 or D1; what it throws becomes an error of `code` whose message starts
 * with `what`, and so does a request that is not answered in two minutes. It may be carried out later
 * all the same, as one whose answer was lost.
 */
export async function failAs<T>(
  code: ErrorCode,
  what: string,
  action: () => Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE / 1000} s`)), PATIENCE);
  });
  try {
    return await Promise.race([action(), late]);
  } catch (thrown) {
    if (thrown instanceof NightjarError) throw thrown;
    throw new NightjarError(code, `${what}: ${messageOf(thrown)}`, { cause: thrown });
  } finally {
    clearTimeout(timer);
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
