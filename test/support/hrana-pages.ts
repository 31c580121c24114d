import type { Client } from "@libsql/client/http";

/** Read a server's whole database file, page by page in one transaction. */
export async function databaseBytes(client: Client): Promise<Uint8Array> {
  const pages: Uint8Array[] = [];
  const transaction = await client.transaction("read");
  try {
    const count = Number(
      (await transaction.execute("SELECT count(*) FROM sqlite_dbpage")).rows[0]![0],
    );
    for (let from = 1; from <= count; from += 500) {
      const { rows } = await transaction.execute({
        sql: "SELECT data FROM sqlite_dbpage WHERE pgno BETWEEN ? AND ? ORDER BY pgno",
        args: [from, from + 499],
      });
      for (const row of rows) pages.push(new Uint8Array(row[0] as ArrayBuffer));
    }
  } finally {
    transaction.close();
  }
  const bytes = new Uint8Array(pages.length * pages[0]!.length);
  pages.forEach((page, at) => bytes.set(page, at * page.length));
  return bytes;
}
