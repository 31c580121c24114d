import { printable } from "../core/printable.ts";

/** Elsewhere than on a terminal a line is shown once in so long, ms. */
const LINE_EVERY = 2000;

/** Shows how work is getting on: one line that changes on a terminal, a few plain lines elsewhere. */
export class Progress {
  readonly #terminal: boolean;
  readonly #quiet: boolean;
  #last = "";
  #shownAt = 0;

  constructor(quiet: boolean, stream: { isTTY?: boolean } = process.stderr) {
    this.#quiet = quiet;
    this.#terminal = stream.isTTY === true;
  }

  show(text: string): void {
    if (this.#quiet || text === this.#last) return;
    if (!this.#terminal && Date.now() - this.#shownAt < LINE_EVERY) return;
    this.#shownAt = Date.now();
    this.#last = text;
    const line = printable(text);
    process.stderr.write(this.#terminal ? `\r\u001B[2K${line}` : `${line}\n`);
  }

  /** Clear the changing line, so that what follows has its own line. */
  end(): void {
    if (this.#terminal && this.#last !== "") clearLine();
  }
}

/** Take away the line that changes, where there may be one. */
export function clearLine(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001B[2K");
}
