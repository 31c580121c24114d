import { type DumpStatement, OWN_TABLE, readDumpStatement, unsafeStatement } from "./statement.ts";
import { lowerName } from "../tables/selection.ts";
import type { Statement } from "../sql/scanner.ts";

/**
 * Checks that the statements of a dump come in the order in which sqld's exporter writes them: tables with
 * their rows first, each row in a table that the dump has created before, and indexes, views and triggers
 * last. In another order, the schema's expressions would run for every row, and rows would reach a virtual
 * table's module.
 */
export class DumpOrder {
  /** Names in lower case, as SQLite compares them. */
  readonly #tables = new Set<string>();
  readonly #virtual = new Set<string>();
  #begun = false;
  #hasLast = false;

  /** Read the next statement. @throws NightjarError `DUMP_UNSAFE` for one that no dump has, or not here */
  read(statement: Statement): DumpStatement {
    const found = readDumpStatement(statement);
    if ("unsafe" in found) throw unsafeStatement(statement.bytes, found.unsafe);
    const fault = this.#faultOf(found);
    if (fault !== undefined) throw unsafeStatement(statement.bytes, fault);
    return found;
  }

  /** Return why the statement may not come here; undefined if it may. */
  #faultOf(found: DumpStatement): string | undefined {
    switch (found.is) {
      case "begin": {
        const again = this.#begun;
        this.#begun = true;
        return again ? "a dump begins once" : undefined;
      }
      case "create": {
        const name = lowerName(found.name);
        if (found.type !== "table") this.#hasLast = true;
        else if (this.#virtual.has(name)) return "a virtual table has this name";
        else this.#tables.add(name);
        return undefined;
      }
      case "schema-row": {
        const name = lowerName(found.name);
        if (this.#hasLast) return "it comes after an index, a view or a trigger";
        if (this.#tables.has(name)) return "a table has this name";
        this.#virtual.add(name);
        return undefined;
      }
      case "row":
        if (OWN_TABLE.test(found.table)) return undefined;
        if (this.#hasLast) return "it comes after an index, a view or a trigger";
        return this.#tables.has(lowerName(found.table))
          ? undefined
          : "it writes to a table that the dump does not create";
      case "commit":
      case "pragma":
      case "analyze":
      case "delete-counters":
        return undefined;
    }
  }
}
