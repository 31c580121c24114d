import { rename, rm } from "node:fs/promises";
import { eraseRows } from "../../erase/erase.ts";
import { type ErasingDatabase, SqlRefused } from "../../erase/port.ts";
import { messageOf, NightjarError } from "../../errors/errors.ts";
import type { Erased, Erasure } from "../../format/tables/erasure.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Database } from "../sqlite/database.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";

/**
 * Delete the rows of an erasure list from a database file, and write the file anew without their bytes.
 * What Nightjar does with what it can read (sqlite/erase.ts), done on the machine that has opened an
 * encrypted backup.
 *
 * @throws CliError `ERASURE_FAILED`: then the file must not be kept
 */
export async function eraseFromFile(file: string, erasures: readonly Erasure[]): Promise<Erased> {
  const anew = `${file}.anew`;
  try {
    const erased = await eraseInto(file, anew, erasures);
    await rename(anew, file);
    return erased;
  } catch (thrown) {
    const hint = thrown instanceof NightjarError ? thrown.hint : HINT;
    throw new CliError(
      EXIT.failed,
      `The rows on the erasure list cannot be deleted: ${messageOf(thrown).replace(/\.$/, "")}.`,
      { hint, code: "ERASURE_FAILED" },
    );
  } finally {
    await rm(anew, { force: true });
  }
}

const HINT =
  "Nothing was kept. Open what is stored with age, and delete the rows with libSQL's own tools.";

async function eraseInto(
  file: string,
  anew: string,
  erasures: readonly Erasure[],
): Promise<Erased> {
  const database = await openGuarded(file, "write", anew);
  try {
    database.exec("PRAGMA foreign_keys=OFF; PRAGMA journal_mode=OFF; PRAGMA temp_store=MEMORY");
    const erased = await eraseRows(erasingDatabase(database), erasures);
    // Not VACUUM, which numbers the rows of tables without an INTEGER PRIMARY KEY anew.
    database.prepare("VACUUM main INTO ?").run(anew);
    return erased;
  } finally {
    database.close();
  }
}

function erasingDatabase(database: Database): ErasingDatabase {
  return {
    async each(sql, args, read) {
      try {
        for (const cells of database.prepare(sql).cells(...args))
          read({ text: (at) => String(cells[at] ?? ""), bytes: (at) => cells[at] as Uint8Array });
      } catch (thrown) {
        if (thrown instanceof NightjarError) throw thrown;
        throw new SqlRefused(messageOf(thrown), { cause: thrown });
      }
    },
  };
}
