import {
  asNightjarError,
  type ErrorCode,
  type ErrorReport,
  type NightjarError,
} from "../../errors/errors.ts";
import type { Check } from "../../model/proof.ts";

/** What is wrong with the stored bytes, and not with the reading of them. */
export const DAMAGE: readonly ErrorCode[] = [
  "OBJECT_MISSING",
  "OBJECT_CORRUPT",
  "DUMP_INVALID",
  "DUMP_INCOMPLETE",
  "DUMP_UNRESTORABLE",
];

/** Collects what a look at a backup finds, until the first thing that is wrong. */
export class Findings {
  readonly checks: Check[] = [];
  /** The first thing that was wrong. */
  problem: ErrorReport | null = null;
  readonly #known: ReadonlySet<ErrorCode>;

  /** @param known the errors that are findings; any other means that nothing is known */
  constructor(known: readonly ErrorCode[]) {
    this.#known = new Set(known);
  }

  /**
   * Look at one thing, unless something before was wrong.
   *
   * @param look tells what it found, or throws what is wrong
   * @throws whatever `look` throws that is no finding
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
