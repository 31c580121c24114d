import type { Deps } from "../core/deps.ts";
import { asNightjarError, type NightjarError } from "../errors/errors.ts";
import { encode } from "../format/bytes/bytes.ts";
import type { Source } from "../libsql/server.ts";
import { rowsOf } from "./run-statements.ts";
import { MARKER } from "../format/tables/restore-marker.ts";
import { type Marker, moveMarker, readMarker, unknownEnd } from "./marker.ts";
import { send } from "./pipeline.ts";

/** Attempts of a step while the server fails, and the first pause, ms; each is twice the one before. */
const TRIES = 5;
const FIRST_PAUSE = 1000;

/**
 * Writes to a marked target, each step one request and one transaction with foreign keys off. The marker
 * counts them: a step's first statement moves it from 2n to 2n + 1, its last one to 2n + 2.
 *
 * - If the answer to a step was lost, the marker shows whether it was done. A second attempt at a step that
 *   was done fails at its first statement.
 * - sqld takes a transaction from a writer that holds it for 5 s while another waits, and lets the
 *   statements after that commit one by one: then the last statement finds 2n and fails.
 * - If another restore took the target over, its own name is in the marker: both statements fail.
 */
export class Steps {
  readonly #target: Source;
  readonly #deps: Deps;
  readonly #restore: string;
  #step: number;

  /** @param step the marker's current step */
  constructor(target: Source, deps: Deps, restore: string, step: number) {
    this.#target = target;
    this.#deps = deps;
    this.#restore = restore;
    this.#step = step;
  }

  /** The marker's current step. */
  get step(): number {
    return this.#step;
  }

  /**
   * Run whole statements in one transaction.
   *
   * @throws NightjarError `TARGET_REFUSED`, or as `send` when the server keeps failing
   */
  async write(statements: readonly Uint8Array[]): Promise<void> {
    const next = this.#step + 2;
    const { failure } = await this.#until(
      [...statements, encode(moveMarker(this.#restore, this.#step + 1, next))],
      (marker) => marker?.restore === this.#restore && marker.step === next,
    );
    if (failure !== undefined) throw failure;
    this.#step = next;
  }

  /**
   * Run the last transaction, which removes the marker: then the target is complete.
   *
   * @throws NightjarError as `write`; `RESTORE_UNKNOWN` when it is unknown whether it was done
   */
  async finish(): Promise<void> {
    // If the first attempt is refused, it has done nothing: another restore was here.
    const done = (marker: Marker | undefined, refused: boolean) => marker === undefined && !refused;
    const { failure, settled } = await this.#until([encode(`DROP TABLE ${MARKER};\n`)], done);
    if (failure !== undefined) throw settled ? failure : unknownEnd(failure);
  }

  /**
   * Attempt a step until it is done. Return the last failure, if any, and whether the marker could be read.
   */
  async #until(
    statements: readonly Uint8Array[],
    done: (marker: Marker | undefined, refused: boolean) => boolean,
  ): Promise<{ failure?: NightjarError; settled: boolean }> {
    const head = `PRAGMA foreign_keys=OFF;\nBEGIN IMMEDIATE;\n${moveMarker(this.#restore, this.#step, this.#step + 1)}`;
    const sequence = [encode(head), ...statements, encode("COMMIT;\n")];
    for (let tries = 1; ; tries++) {
      const failure = await this.#attempt(sequence);
      if (failure === undefined) return { settled: true };
      const refused = tries === 1 && failure.code === "TARGET_REFUSED";
      const marker = await readMarker(this.#target, this.#deps).catch(() => "unknown" as const);
      const settled = marker !== "unknown";
      if (settled && done(marker, refused)) return { settled };
      if (!failure.retryable || tries === TRIES) return { failure, settled };
      await this.#deps.sleep(FIRST_PAUSE * 2 ** (tries - 1));
    }
  }

  async #attempt(sequence: readonly Uint8Array[]): Promise<NightjarError | undefined> {
    try {
      // A failing statement leaves its transaction open; closing the stream rolls it back.
      const asks = [{ sequence }, { close: true }] as const;
      const { told } = await send(this.#target, this.#deps, asks);
      rowsOf(this.#target, told[0]!);
      return undefined;
    } catch (thrown) {
      return asNightjarError(thrown);
    }
  }
}
