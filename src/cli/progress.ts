/** Shows how work is getting on: one line that changes on a terminal, plain lines elsewhere. */
export class Progress {
  readonly #terminal: boolean;
  readonly #quiet: boolean;
  #last = "";

  constructor(quiet: boolean, stream: { isTTY?: boolean } = process.stderr) {
    this.#quiet = quiet;
    this.#terminal = stream.isTTY === true;
  }

  show(text: string): void {
    if (this.#quiet || text === this.#last) return;
    this.#last = text;
    process.stderr.write(this.#terminal ? `\r\u001B[2K${text}` : `${text}\n`);
  }

  /** Clear the changing line, so that what follows stands alone. */
  end(): void {
    if (this.#terminal && this.#last !== "") process.stderr.write("\r\u001B[2K");
  }
}
