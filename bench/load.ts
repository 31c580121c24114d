import { createClient } from "@libsql/client/http";

/** Bytes of dump per row of the table below, approximately. */
const ROW_BYTES = 240;
const BATCH = 20_000;

/**
 * Fill an empty database until its dump has about `mb` megabytes. The data is what most applications keep: a
 * table with a dozen columns of keys, numbers, dates and short text, one of them a random token that does not
 * compress, and two indexes.
 */
export async function loadOrders(url: string, mb: number): Promise<void> {
  const client = createClient({ url });
  try {
    await client.executeMultiple(`
      CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, product INTEGER NOT NULL,
        quantity INTEGER NOT NULL, price REAL NOT NULL, discount REAL, paid INTEGER NOT NULL,
        status TEXT NOT NULL, city TEXT, placed TEXT NOT NULL, changed TEXT, token TEXT, note TEXT);
      CREATE INDEX orders_by_customer ON orders (customer);
      CREATE INDEX orders_by_day ON orders (placed);`);
    const rows = Math.ceil((mb * 1e6) / ROW_BYTES);
    for (let from = 0; from < rows; from += BATCH) {
      await client.execute({
        sql: `WITH RECURSIVE n (i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
          INSERT INTO orders SELECT i, i * 31 % 99991, i * 7919 % 5003, i % 9 + 1,
            (i * 7919 % 1000000) / 100.0, CASE i % 6 WHEN 0 THEN (i % 30) / 100.0 END, i % 3 = 0,
            CASE i % 5 WHEN 0 THEN 'created' WHEN 1 THEN 'paid' WHEN 2 THEN 'shipped' ELSE 'closed' END,
            CASE i % 4 WHEN 0 THEN 'Reykjavík' WHEN 1 THEN '東京' WHEN 2 THEN 'São Paulo' ELSE 'Oslo' END,
            datetime(1700000000 + i * 37, 'unixepoch'), datetime(1700003600 + i * 41, 'unixepoch'),
            lower(hex(randomblob(8))),
            CASE i % 3 WHEN 0 THEN 'the bell doesn''t work, knock ' || (i % 7) || ' times' WHEN 1 THEN 'clerk ' || (i * 7 % 211) END
          FROM n`,
        args: [from, Math.min(from + BATCH, rows)],
      });
    }
  } finally {
    client.close();
  }
}
