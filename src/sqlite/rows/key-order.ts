import { encode } from "../../format/bytes/bytes.ts";
import { fullTextOf } from "../../format/sql/full-text.ts";
import { quoteName } from "../../format/sql/quote.ts";
import type { Image } from "../engine/image.ts";
import type { Table } from "../tables.ts";

/** SQL that reads a table in one order. */
interface Order {
  /** What comes after FROM. */
  readonly from: string;
  readonly by: string;
}

/**
 * Return the SQL that reads a table by its declared primary key, and rows with the same key (NULLs) by
 * rowid. The key's index is read in its own order, so that nothing has to be sorted in memory.
 */
export async function keyOrder(image: Image, { name, kind, sql }: Table): Promise<Order> {
  if (kind === "virtual") {
    const by = fullTextOf(sql ?? "") === undefined ? "1" : "rowid";
    return { from: quoteName(name), by: ` ORDER BY ${by}` };
  }
  const stored = { from: `${quoteName(name)} NOT INDEXED`, by: "" };
  // Its b-tree is in the order of its key.
  if (kind === "without-rowid") return stored;
  const [index] = await image.rows(
    "SELECT name FROM pragma_index_list(?1) WHERE origin = 'pk'",
    (row) => row.text(0) ?? "",
    [{ text: encode(name) }],
  );
  if (index === undefined) return stored; // the key is the rowid, or there is none
  const terms = await image.rows(
    'SELECT name, "desc", coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno',
    (row) =>
      `${quoteName(row.text(0) ?? "")} COLLATE ${quoteName(row.text(2) ?? "BINARY")}${Number(row.integer(1)) === 1 ? " DESC" : ""}`,
    [{ text: encode(index) }],
  );
  return {
    from: `${quoteName(name)} INDEXED BY ${quoteName(index)}`,
    by: ` ORDER BY ${terms.join(",")}`,
  };
}
