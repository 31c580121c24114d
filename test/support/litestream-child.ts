/**
 * Run by `readWithLitestream` in a separate process: the extension reads its settings from the environment
 * when it is loaded, and stays loaded.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

const [library, task] = process.argv.slice(2) as [string, string];
const { sql, at, result } = JSON.parse(task) as {
  sql: string[];
  at: string | null;
  result: string;
};

new DatabaseSync(":memory:", { allowExtension: true }).loadExtension(
  library,
  "sqlite3_litestreamvfs_init",
);
const db = new DatabaseSync("file:replica?vfs=litestream");
if (at === null) await hydrated();
else db.exec(`PRAGMA litestream_time = '${at}'`);
writeFileSync(result, JSON.stringify(sql.map((statement) => db.prepare(statement).all())));
// Litestream keeps looking for new files, which would keep the process alive.
process.exit();

/**
 * Wait until Litestream has read the whole file. It does so in the background, and writes only to its log
 * whether it accepted the files: its progress counter is at 100% before it compares the checksums.
 */
async function hydrated(): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const log = readFileSync(process.env.LITESTREAM_LOG_FILE!, "utf8");
    if (log.includes("hydration complete")) return;
    const error = /^.*level=ERROR.*$/m.exec(log);
    if (error !== null || Date.now() > deadline)
      throw new Error(`Litestream did not read the files: ${error?.[0] ?? "too slow"}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
