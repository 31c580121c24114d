import { NightjarError } from "../../errors/errors.ts";
import type { JsonValue } from "../../format/rows/json-value.ts";
import { quoteName } from "../../format/sql/quote.ts";
import { SqliteError } from "../engine/engine.ts";
import type { Bound } from "../engine/statement.ts";
import { toBound } from "../engine/value.ts";
import type { Link, LinkedColumn, LinkedTable } from "./linked-tables.ts";
import type { Statements } from "./statements.ts";

/** Rows that a subset may keep: their keys are held in memory, with about 30 bytes for each rowid. */
export const MOST_KEPT = 250_000;

/** The rows of a table that are kept: their keys are in a temporary table, in the order in which they came. */
interface Kept {
  readonly table: LinkedTable;
  /** The name of the temporary table, as SQL. */
  readonly name: string;
  count: number;
  /** Rows whose references have been followed already, the first ones that came. */
  followed: number;
}

/**
 * Collects the rows of a subset in temporary tables, which are in memory as all that SQLite writes here. Only
 * rows that are new are followed, each once in each direction.
 */
export class KeptRows {
  readonly #statements: Statements;
  readonly #links: readonly Link[];
  readonly #most: number;
  readonly #kept = new Map<LinkedTable, Kept>();

  private constructor(statements: Statements, links: readonly Link[], most: number) {
    this.#statements = statements;
    this.#links = links;
    this.#most = most;
  }

  /**
   * Make a temporary table for each table.
   *
   * @param prefix begins no name of the database
   */
  static async start(
    statements: Statements,
    tables: Iterable<LinkedTable>,
    links: readonly Link[],
    prefix: string,
    most: number,
  ): Promise<KeptRows> {
    const rows = new KeptRows(statements, links, most);
    for (const table of tables) {
      const name = `temp.${quoteName(`${prefix}${rows.#kept.size}`)}`;
      const columns = table.key.map(
        ({ type, collation }, at) => `k${at} ${type} COLLATE ${quoteName(collation)}`,
      );
      await rows.#run(
        `CREATE TABLE ${name}(seq INTEGER PRIMARY KEY, ${columns.join(",")}, UNIQUE(${keysOf(table)}))`,
      );
      rows.#kept.set(table, { table, name, count: 0, followed: 0 });
    }
    return rows;
  }

  /** Keep single rows of a table, by their keys. */
  async add(table: LinkedTable, keys: readonly (readonly JsonValue[])[]): Promise<void> {
    const kept = this.#kept.get(table)!;
    const places = table.key.map((_, at) => `?${at + 1}`).join(",");
    const sql = `INSERT OR IGNORE INTO ${kept.name}(${keysOf(table)}) VALUES(${places})`;
    for (const values of keys) await this.#run(sql, values.map(toBound));
    await this.#count(kept);
  }

  /**
   * Keep the rows of other tables that refer to kept rows, and those that refer to these, and so on.
   *
   * @throws NightjarError `SANITIZE_SUBSET` for too many rows; SqliteError
   */
  async addChildren(): Promise<void> {
    await this.#follow(async (kept, range) => {
      for (const link of this.#links)
        if (link.parent === kept.table && link.child !== kept.table)
          await this.#insert(link.child, childrenWhere(link, this.#fresh(kept, "p")), range);
    });
  }

  /**
   * Keep the rows that kept rows refer to, and those that these refer to, and so on.
   *
   * @throws NightjarError `SANITIZE_SUBSET` for too many rows; SqliteError
   */
  async addParents(): Promise<void> {
    for (const kept of this.#kept.values()) kept.followed = 0;
    await this.#follow(async (kept, range) => {
      for (const link of this.#links)
        if (link.child === kept.table)
          await this.#insert(link.parent, parentsWhere(link, this.#fresh(kept, "c")), range);
    });
  }

  /** Return an SQL expression that is true for the kept rows of a table, and the number of them. */
  conditionOf(table: LinkedTable): { where: string; rows: number } {
    const { name, count } = this.#kept.get(table)!;
    const key = listed(table.key.map(({ sql }) => sql));
    return { where: `${key} IN (SELECT ${keysOf(table)} FROM ${name})`, rows: count };
  }

  /** Follow tables with rows that have not been followed, until there is none. */
  async #follow(
    follow: (kept: Kept, range: readonly [after: number, to: number]) => Promise<void>,
  ): Promise<void> {
    for (let more = true; more;) {
      more = false;
      for (const kept of this.#kept.values()) {
        const { followed, count } = kept;
        if (followed === count) continue;
        kept.followed = count;
        more = true;
        await follow(kept, [followed, count]);
      }
    }
  }

  /** The FROM and WHERE of the rows of a table that came after ?1, up to ?2. */
  #fresh({ table, name }: Kept, alias: string): string {
    const same = table.key.map(({ sql }, at) => `${alias}.${sql} = k.k${at}`).join(" AND ");
    return `FROM ${name} k CROSS JOIN main.${quoteName(table.name)} ${alias} ON ${same} WHERE k.seq > ?1 AND k.seq <= ?2`;
  }

  async #insert(
    table: LinkedTable,
    where: (alias: string) => string,
    [after, to]: readonly [number, number],
  ): Promise<void> {
    const kept = this.#kept.get(table)!;
    const key = table.key.map(({ sql }) => `r.${sql}`).join(",");
    // The rows that are selected are different ones, and all are kept: with one more there are too many.
    // In the order of their keys, so that what follows them reads each page once.
    await this.#run(
      `INSERT OR IGNORE INTO ${kept.name}(${keysOf(table)}) SELECT ${key} FROM main.${quoteName(table.name)} r WHERE ${where("r")} ORDER BY ${key} LIMIT ${this.#most + 1}`,
      [BigInt(after), BigInt(to)],
    );
    await this.#count(kept);
  }

  /** @throws NightjarError `SANITIZE_SUBSET` when there are too many */
  async #count(kept: Kept): Promise<void> {
    const sql = `SELECT coalesce(max(seq), 0) FROM ${kept.name}`;
    kept.count = (await this.#run(sql))!;
    const all = [...this.#kept.values()].reduce((sum, one) => sum + one.count, 0);
    if (all > this.#most) throw this.#tooMany(kept, `more than ${this.#most} rows`);
  }

  /** @throws NightjarError `SANITIZE_SUBSET` when SQLite has no memory left */
  async #run(sql: string, args: readonly Bound[] = []): Promise<number | undefined> {
    try {
      return await this.#statements.run(sql, args);
    } catch (thrown) {
      if (!(thrown instanceof SqliteError) || !thrown.outOfMemory) throw thrown;
      const largest = [...this.#kept.values()].toSorted((a, b) => b.count - a.count)[0];
      throw this.#tooMany(largest, "more rows than there is memory for");
    }
  }

  #tooMany(kept: Kept | undefined, what: string): NightjarError {
    const of = kept === undefined ? "" : `: ${kept.count} so far of ${kept.table.name}`;
    return new NightjarError("SANITIZE_SUBSET", `The subset has ${what}${of}.`, {
      hint: 'Start from less: fewer `rows` or a narrower `root`. Or give no rows of a large table: "drop" in the rules.',
    });
  }
}

/**
 * Return the condition of rows that refer to parents, as SQLite compares a foreign key: with the affinity and
 * the collation of the parent's columns. Where the child's are the same, an index of these can be used.
 */
function childrenWhere({ from, to }: Link, parents: string): (alias: string) => string {
  const keys = to.map(({ sql }) => `p.${sql}`).join(",");
  return (alias) => {
    const own = from.map((column, at) => {
      const { type, collation } = to[at]!;
      const isSame = column.type === type && sameCollation(column, to[at]!);
      return isSame
        ? `${alias}.${column.sql}`
        : `(+${alias}.${column.sql}) COLLATE ${quoteName(collation)}`;
    });
    return `${listed(own)} IN (SELECT ${keys} ${parents})`;
  };
}

/** Return the condition of rows that children refer to. A NULL in a foreign key refers to none. */
function parentsWhere({ from, to }: Link, children: string): (alias: string) => string {
  // With a plus, they have no affinity of their own.
  const keys = from.map(({ sql }) => `+c.${sql}`).join(",");
  const given = from.map(({ sql }) => ` AND c.${sql} NOTNULL`).join("");
  return (alias) =>
    `${listed(to.map(({ sql }) => `${alias}.${sql}`))} IN (SELECT ${keys} ${children}${given})`;
}

function sameCollation(one: LinkedColumn, other: LinkedColumn): boolean {
  return one.collation.toUpperCase() === other.collation.toUpperCase();
}

function keysOf({ key }: LinkedTable): string {
  return key.map((_, at) => `k${at}`).join(",");
}

function listed(expressions: readonly string[]): string {
  return expressions.length === 1 ? expressions[0]! : `(${expressions.join(",")})`;
}
