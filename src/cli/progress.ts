import { printable } from "../core/printable.ts";
import { span } from "../plan/duration.ts";
import { size } from "./output.ts";

/** Elsewhere than on a terminal a line is shown once in so long, and bytes are counted only after so long, ms. */
const LINE_EVERY = 2000;
/** Time after which a rate says something, ms. */
const RATE_AFTER = 1000;

/** Shows how work is getting on: one line that changes on a terminal, a few plain lines elsewhere. */
export class Progress {
  readonly #terminal: boolean;
  readonly #quiet: boolean;
  readonly #began = Date.now();
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
    // A line that is broken by the terminal's edge could not be taken back.
    const width = process.stderr.columns ?? Infinity;
    process.stderr.write(this.#terminal ? `\r\u001B[2K${line.slice(0, width - 1)}` : `${line}\n`);
  }

  /**
   * Show how many bytes are done: of how many, at which rate, and how long the rest will take.
   *
   * @param total undefined where it is not known
   * @param about true where the total is only likely
   */
  count(verb: string, done: number, total?: number, about = false): void {
    const ms = Date.now() - this.#began;
    if (!this.#terminal && ms < LINE_EVERY) return;
    const parts = [
      `${verb} ${size(done)}`,
      total !== undefined && total >= done ? ` of ${about ? "about " : ""}${size(total)}` : "",
    ];
    if (ms >= RATE_AFTER && done > 0) {
      const rate = done / ms;
      parts.push(`, ${size(rate * 1000)}/s`);
      if (total !== undefined && total > done) parts.push(`, ${span((total - done) / rate)} left`);
    }
    this.show(parts.join(""));
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
