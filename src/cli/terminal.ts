import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError, EXIT } from "./exit.ts";
import { printAside } from "./output.ts";

/** Time within which a signal to the own process arrives, ms. */
const SIGNAL_COMES = 5000;

/** Ask for a line on the terminal without showing what is typed. */
export async function askSecret(prompt: string): Promise<string> {
  process.stderr.write(prompt);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const answer = await ask("", unseen);
  process.stderr.write("\n");
  return answer;
}

/** Ask for a line. At the end of the input it is empty; Ctrl-C ends the command as it does everywhere else. */
async function ask(prompt: string, output: NodeJS.WritableStream): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  let interrupted = false;
  terminal.once("SIGINT", () => {
    interrupted = true;
    process.kill(process.pid, "SIGINT");
  });
  const ended = new Promise<string>((resolve) => void terminal.once("close", () => resolve("")));
  try {
    return await Promise.race([terminal.question(prompt), ended]);
  } finally {
    terminal.close();
    if (interrupted) await sleep(SIGNAL_COMES); // the signal ends the command before this does
  }
}

/** A replacement that must be confirmed. */
export interface Replacing {
  /** For people: `/tmp/shop.db`, `libsql://…`. */
  readonly what: string;
  /** Lines that say what would happen. */
  readonly lines: readonly string[];
}

/**
 * Ask on the terminal before something is replaced; elsewhere it takes `--yes`.
 *
 * @param yes whether `--yes` was given
 * @throws CliError `usage`, with the code `NOT_CONFIRMED`
 */
export async function confirm({ what, lines }: Replacing, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw notConfirmed(
      `This replaces what is in ${what}, and there is no terminal to confirm it on.`,
      "Run the command with --dry-run to see what would be lost, then with --yes.",
    );
  for (const line of lines) printAside(line);
  const answer = await ask("Type yes to go on: ", process.stderr);
  if (answer.trim().toLowerCase() === "yes") return;
  throw notConfirmed("It was not confirmed, and nothing was changed.", "Type yes, or give --yes.");
}

function notConfirmed(message: string, hint: string): CliError {
  return new CliError(EXIT.usage, message, { hint, code: "NOT_CONFIRMED" });
}
