import { NightjarError } from "../../errors/errors.ts";
import type { Subset } from "../../format/masks/subset.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { Image } from "../engine/image.ts";
import { allRows } from "../engine/rows.ts";
import type { Table } from "../tables.ts";
import { chooseRoot } from "./choose-root.ts";
import { KeptRows, MOST_KEPT } from "./kept-rows.ts";
import { Statements } from "./statements.ts";
import { connectedWith, readLinkedTables, readLinks } from "./linked-tables.ts";

/**
 * Bytes that SQLite may hold while rows are chosen, its cache of pages included: what is left of a Worker's memory
 * for one instance of SQLite (worker/memory.ts). 250,000 rowids, and what sorts them, take less.
 */
const HEAP = 20 * 1024 * 1024;

/** The kept rows of a table. */
export interface KeptTable {
  readonly name: string;
  readonly rows: number;
}

/** The rows that a subset keeps. */
export interface SubsetPlan {
  /** Return an SQL expression that is true for the kept rows of a table; undefined if it is given whole. */
  readonly where: (table: string) => string | undefined;
  /** The tables that the subset chooses from. All others are given whole. */
  readonly tables: readonly KeptTable[];
  /** References to what the database does not have. */
  readonly unused: readonly string[];
}

/**
 * Choose the rows of a subset: those of its root, the rows of other tables that refer to them, and so on, and
 * then all that any of these refers to. Their keys are kept in temporary tables of the image.
 *
 * @param all the tables of the database
 * @param given those of them whose rows are given
 * @throws NightjarError `SANITIZE_SUBSET` for a root that cannot be, or too many rows; the image's
 */
export async function planSubset(
  image: Image,
  all: readonly Table[],
  given: readonly Table[],
  subset: Subset,
  most = MOST_KEPT,
): Promise<SubsetPlan> {
  const tables = await readLinkedTables(image, given);
  const root = tables.get(subset.root.table);
  if (root === undefined)
    throw new NightjarError(
      "SANITIZE_SUBSET",
      `The \`root\` of the subset reads ${subset.root.table}, of which no rows are given, or which is not there.`,
    );
  const names = all.map(({ name }) => lowerName(name));
  const { links, unused } = await readLinks(image, tables, subset, new Set(names));
  const connected = connectedWith(root, links);
  const keys = await chooseRoot(image, root, subset);
  let prefix = "nightjar keeps ";
  while (names.some((name) => name.startsWith(prefix))) prefix += "+";
  const conditions = await image.exclusive(async (engine) => {
    // It forbids temporary tables, too. What is stored cannot be changed without it either.
    const run = (pragma: string) => allRows(engine, `PRAGMA ${pragma}`, () => undefined);
    await run("query_only=OFF");
    const statements = new Statements(engine);
    try {
      const rows = await engine.withHeap(HEAP - engine.module._sqlite3_memory_used(), async () => {
        const kept = await KeptRows.start(statements, connected, links, prefix, most);
        await kept.add(root, keys);
        await kept.addChildren();
        await kept.addParents();
        return kept;
      });
      return new Map(
        [...connected].map((table) => [lowerName(table.name), rows.conditionOf(table)] as const),
      );
    } finally {
      await statements.close();
      await run("query_only=ON");
    }
  });
  return {
    where: (table) => conditions.get(lowerName(table))?.where,
    tables: given.flatMap(({ name }) => {
      const one = conditions.get(lowerName(name));
      return one === undefined ? [] : [{ name, rows: one.rows }];
    }),
    unused,
  };
}
