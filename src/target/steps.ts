import type { Deps } from "../core/deps.ts";
import { asNightjarError, type NightjarError } from "../errors/errors.ts";
import { encode } from "../format/bytes/bytes.ts";
import type { Source } from "../libsql/server.ts";
import { rowsOf } from "./run-statements.ts";
import { MARKER } from "../format/tables/restore-marker.ts";
import { type Marker, moveMarker, readMarker, unknownEnd } from "./marker.ts";
import { send } from "./pipeline.ts";

/** How often a step is tried while the server fails, and the first pause, ms; each is twice the one before. */
const TRIES = 5;
const FIRST_PAUSE = 1000;

/**
 * Writes to a marked target, each step one request and one transaction with foreign keys off. The marker
 * counts them: its first statement moves it from 2n to 2n + 1, its last one to 2n + 2.
 *
 * - A step whose answer was lost is found done or not done by the marker, and is tried again only then.
 * - sqld takes a transaction from a writer that holds it for 5 s while another waits, and lets the
 *   statements after that commit one by one: then the last statement finds 2n and fails.
 * - Another restore that took the target over has its own name in the marker: both statements fail.
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
   * One transaction of whole statements.
   *
   * @throws NightjarError `TARGET_REFUSED`, or as `send` when the server goes on failing
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
   * The last transaction, which takes the marker away: the target is complete.
   *
   * @throws NightjarError as `write`; `RESTORE_UNKNOWN` when nobody can tell whether it was done
   */
  async finish(): Promise<void> {
    // A first attempt that is refused has not done it: then another restore was here.
    const done = (marker: Marker | undefined, refused: boolean) => marker === undefined && !refused;
    const { failure, settled } = await this.#until([encode(`DROP TABLE ${MARKER};\n`)], done);
    if (failure !== undefined) throw settled ? failure : unknownEnd(failure);
  }

  /** What the last attempt failed with, if none did it, and whether the marker told that none did. */
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
      // What fails leaves its transaction open; closing the stream rolls it back.
      const asks = [{ sequence }, { close: true }] as const;
      const { told } = await send(this.#target, this.#deps, asks);
      rowsOf(this.#target, told[0]!);
      return undefined;
    } catch (thrown) {
      return asNightjarError(thrown);
    }
  }
}
