import { encode } from "../../format/bytes/bytes.ts";
import type { Engine } from "../engine/engine.ts";
import { type Bound, Statement } from "../engine/statement.ts";

/** Statements that stay prepared at most: each takes some kilobytes. */
const MOST_PREPARED = 64;
/** Steps of SQLite's machine that a short statement takes, roughly. */
const SHORT = 50;

/** Runs statements that come again and again, each prepared once. Close it, or their memory stays taken. */
export class Statements {
  readonly #engine: Engine;
  readonly #prepared = new Map<string, Statement>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Run one statement to its end.
   *
   * @returns the integer in the first column of its last row; undefined if it has no rows
   * @throws SqliteError; NightjarError `QUERY_LIMIT`; the page reader's own
   */
  async run(sql: string, args: readonly Bound[] = []): Promise<number | undefined> {
    await this.#engine.passStatement(SHORT);
    const statement = await this.#prepare(sql);
    try {
      args.forEach((value, at) => statement.bind(at + 1, value));
      let answer: number | undefined;
      while (await statement.step()) answer = Number(statement.integer(0));
      return answer;
    } finally {
      statement.reset();
    }
  }

  async close(): Promise<void> {
    for (const statement of this.#prepared.values()) await statement.finalize();
    this.#prepared.clear();
  }

  async #prepare(sql: string): Promise<Statement> {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    if (this.#prepared.size >= MOST_PREPARED) await this.close();
    const { statement } = await Statement.prepare(this.#engine, encode(sql));
    this.#prepared.set(sql, statement!);
    return statement!;
  }
}
