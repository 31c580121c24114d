import {
  asNightjarError,
  type ErrorCode,
  type ErrorReport,
  type NightjarError,
} from "../../errors/errors.ts";
import type { Check } from "../../model/proof.ts";

/** Errors that mean that the stored bytes are damaged, as opposed to: could not be read. */
export const DAMAGE: readonly ErrorCode[] = [
  "OBJECT_MISSING",
  "OBJECT_CORRUPT",
  "DUMP_INVALID",
  "DUMP_INCOMPLETE",
  "DUMP_UNRESTORABLE",
];

/** Collects the results of checking a backup, until the first problem. */
export class Findings {
  readonly checks: Check[] = [];
  /** The first problem found. */
  problem: ErrorReport | null = null;
  readonly #known: ReadonlySet<ErrorCode>;

  /** @param known the errors that are findings; any other error means that nothing is known */
  constructor(known: readonly ErrorCode[]) {
    this.#known = new Set(known);
  }

  /**
   * Run one check, unless an earlier one found a problem.
   *
   * @param look returns what it found, or throws the problem
   * @throws whatever `look` throws that is not a finding
   */
  async check(name: string, look: () => Promise<string>): Promise<void> {
    if (this.problem !== null) return;
    try {
      this.checks.push({ name, ok: true, detail: await look() });
    } catch (thrown) {
      const error = asNightjarError(thrown);
      if (!this.#known.has(error.code)) throw error;
      this.#fail(name, error);
    }
  }

  #fail(name: string, error: NightjarError): void {
    this.checks.push({ name, ok: false, detail: error.message });
    this.problem = error.report();
  }
}
