/** Exit codes of a command; docs/cli.md documents them. */
export const EXIT = {
  /** The command did what it was asked. */
  ok: 0,
  /** The work failed: a run failed, or a download is not what was stored. */
  failed: 1,
  /** The command was called wrongly, or NIGHTJAR_URL or NIGHTJAR_TOKEN is missing. */
  usage: 2,
  /** Nightjar refused: unknown database or backup, wrong token, bad field. */
  refused: 3,
  /** Nightjar could not be reached, or had a fault of its own. */
  unavailable: 4,
  /** Ctrl-C, and a request to end: 128 and the signal's number, as shells count. */
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Codes of errors that the command line itself finds; docs/errors.md tells of each. */
export const CLI_CODES = [
  "AUDIT_CHANGED",
  "DIFFERENT",
  "FILE_EXISTS",
  "NOT_CONFIRMED",
  "NOT_HEALTHY",
  "NOT_PROVEN",
  "RESTORE_UNHEARD",
  "STILL_RUNNING",
  "STOPPED",
] as const;

/** An error that ends the command: what happened, what to do next, and the exit code. */
export class CliError extends Error {
  readonly exit: ExitCode;
  readonly hint: string | undefined;
  /** The code of the Worker's error, or one of `CLI_CODES`. */
  readonly code: string | undefined;
  /** The approval that the Worker waits for. */
  readonly approval: string | undefined;

  constructor(
    exit: ExitCode,
    message: string,
    options: { hint?: string; code?: string; approval?: string | undefined } = {},
  ) {
    super(message);
    this.exit = exit;
    this.hint = options.hint;
    this.code = options.code;
    this.approval = options.approval;
  }
}
