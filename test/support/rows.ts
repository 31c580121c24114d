import { newestBackup } from "../../src/catalog/backups.ts";
import { type Deps, systemDeps } from "../../src/core/deps.ts";
import { DumpInspector } from "../../src/format/dump/inspector.ts";
import { beginDump } from "../../src/jobs/backup/rows/begin-dump.ts";
import type { Source } from "../../src/libsql/server.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { dumpText } from "../../src/read/stored.ts";
import { findTransactions } from "../../src/source/rows/transaction.ts";
import type { Image } from "../../src/sqlite/engine/image.ts";
import { openImage, replayDump } from "../../src/sqlite/engine/open.ts";
import { backUp, manualRun, type testContext } from "./context.ts";
import { describeImage, pagesOf } from "./describe-image.ts";

type Context = ReturnType<typeof testContext>;

/** Back a database up, and return its manifest and its SQL. @throws Error if the run did not succeed */
export async function captured(
  context: Context,
  database: string,
): Promise<{ manifest: Manifest; sql: string }> {
  const run = await backUp(context, manualRun(database));
  if (run.state !== "done") throw new Error(JSON.stringify(run.error));
  const { manifest } = (await newestBackup(context.catalog, database))!;
  const chunks: Buffer[] = [];
  for await (const chunk of await dumpText(context, manifest, [])) chunks.push(Buffer.from(chunk));
  return { manifest, sql: Buffer.concat(chunks).toString() };
}

/** List everything in the database that SQL makes, as `describeImage` does. */
export async function describeSql(sql: string): Promise<string[]> {
  async function* text(): AsyncIterable<Uint8Array> {
    yield Buffer.from(sql);
  }
  return described(await replayDump(text()));
}

/** List everything in a database file. */
export async function describeFile(file: Uint8Array): Promise<string[]> {
  return described(await openImage(pagesOf(file)));
}

async function described(image: Image): Promise<string[]> {
  try {
    return await describeImage(image);
  } finally {
    image.close();
  }
}

/** Read a server's rows as SQL, without a backup. */
export async function sqlOfRows(source: Source, deps: Deps = systemDeps): Promise<string> {
  const { text, events } = await beginDump(await findTransactions(source, deps));
  const inspector = new DumpInspector();
  const chunks: Buffer[] = [];
  for await (const chunk of text.write(events)) {
    inspector.push(chunk);
    chunks.push(Buffer.from(chunk));
  }
  inspector.end();
  return Buffer.concat(chunks).toString();
}
