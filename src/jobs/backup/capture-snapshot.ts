import { endLineage } from "../../catalog/lineages.ts";
import type { Run } from "../../catalog/runs.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context, LogPosition } from "../../worker/context.ts";
import { asNightjarError, type ErrorCode, NightjarError } from "../../errors/errors.ts";
import { databasePages } from "../../format/pages/database-file.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import type { Page } from "../../format/pages/page.ts";
import { PageCensus } from "../../format/pages/page-census.ts";
import { isMarker, markerWarning } from "../../format/tables/restore-marker.ts";
import { tursoOnly, tursoOnlyWarnings } from "../../format/tables/turso-only.ts";
import { seekableCompress } from "../../format/bytes/seekable.ts";
import type { Manifest, Method, SnapshotFacts } from "../../model/manifest.ts";
import { describeServer } from "../../source/describe.ts";
import { readImage } from "../../source/dbpage.ts";
import type { SchemaRow } from "../../source/pages.ts";
import { pageSource } from "../../source/probe.ts";
import type { Source } from "../../libsql/server.ts";
import { hashSchema, type ImageFacts, imageFacts, type TableFact } from "../../sqlite/facts.ts";
import { openForFacts } from "../../sqlite/engine/open.ts";
import { removeObjects } from "../../store/remove.ts";
import { openSnapshot } from "../../store/snapshot-reader.ts";
import { BackupDraft } from "./backup-draft.ts";
import { checkSpots } from "./check-spots.ts";
import { momentOf, pagesOf } from "../../read/moment.ts";
import { untilCommit } from "../log/pull.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";

/** The pages to store, and the facts of the moment that they represent. */
interface Origin {
  pageSize: number;
  pageCount: number;
  pages: AsyncIterable<readonly Page[]>;
  /** The schema as the source reports it; set only if the capture cannot read the stored bytes back. */
  schema?: readonly SchemaRow[];
  /** Return the facts that are known once the pages have been read. */
  facts(): Pick<SnapshotFacts, "committedAt" | "log" | "cursor">;
}

/** The facts of the stored database that its manifest holds. */
type StoredFacts = Pick<
  ImageFacts,
  "schemaHash" | "userVersion" | "migration" | "unfinished" | "tursoOnly"
> & {
  readonly tables: readonly Pick<TableFact, "name" | "rootpage">[];
};

/**
 * Store a database's pages as a database file. With a page log, the source sends only what is new to
 * it, and the rest is read from the bucket; without one, the whole image is read.
 */
export async function captureSnapshot(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
  method: Method,
): Promise<Manifest> {
  const takenAt = context.deps.now();
  // The Follower waits for memory of its own, so nothing may be held here meanwhile.
  const logged = method.protocol === "dbpage" ? null : await context.followers.pull(database.name);
  return inTurn(context, COSTS.capturePages, () =>
    captureInTurn(context, run, database, source, method, logged, takenAt),
  );
}

async function captureInTurn(
  context: Context,
  run: Run,
  database: DatabaseConfig,
  source: Source,
  method: Method,
  logged: LogPosition | null,
  takenAt: number,
): Promise<Manifest> {
  const { bucket, deps } = context;
  const draft = new BackupDraft(context, run, database, "snapshot", takenAt);
  const described = describeServer(source, deps);
  const origin =
    logged === null
      ? await fromSource(context, draft, source, method)
      : await fromLog(context, database.name, logged.lineage, logged.txid);

  const raw = new Meter();
  const stored = new Meter();
  const progress = draft.progress(raw, stored);
  const census = new PageCensus();
  const file = databasePages(origin.pages, origin.pageSize, origin.pageCount);
  const compressed = seekableCompress(counted(file.pages, census), async (content) => {
    raw.update(content);
    await progress();
  });
  const bytes = tap(draft.sealed(compressed), (chunk) => stored.update(chunk));
  const store = async (): Promise<StoredFacts> => {
    await draft.write(bytes);
    await progress("storing");
    return draft.encrypted
      ? factsOf(origin.schema!, file.userVersion())
      : await readBack(bucket, draft.key, raw.bytes, stored.bytes);
  };
  const facts = logged === null ? await store() : await orEndLog(context, logged.lineage, store);
  const spots = await checkSpots(context, draft, database, pageSource(method, source, deps), {
    raw,
    stored,
    logged,
    cursor: origin.facts().cursor,
  });
  const { version, unknown } = await described;
  const { pageSize, pageCount } = origin;
  const encoding = file.encoding();
  return draft.manifest({
    raw,
    stored,
    version,
    unknown,
    snapshot: {
      method,
      pageSize,
      pageCount,
      journal: file.journal(),
      ...(encoding !== "UTF-8" && { encoding }),
      ...origin.facts(),
      spotCheck: spots,
    },
    schema: { hash: facts.schemaHash, userVersion: facts.userVersion, migration: facts.migration },
    tables: facts.tables.map(({ name, rootpage }) => ({
      name,
      rows: rootpage === 0 ? null : census.rowsUnder(rootpage),
    })),
    warnings: [
      ...(facts.unfinished ? [markerWarning()] : []),
      ...tursoOnlyWarnings(facts.tursoOnly),
    ],
  });
}

/** Errors of a backup after which its log must not be continued. */
const LOG_FAULTS: readonly ErrorCode[] = ["OBJECT_CORRUPT", "OBJECT_MISSING", "PAGES_INVALID"];

/**
 * Run an action that makes a backup of a log. End the log if it is damaged in the bucket, or if its
 * pages make no database: backups must not depend on it.
 *
 * @throws NightjarError `LOG_DAMAGED`, or whatever else `action` throws
 */
async function orEndLog<T>(
  { catalog, deps }: Context,
  lineage: string,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const { code, message } = asNightjarError(thrown);
    if (!LOG_FAULTS.includes(code)) throw thrown;
    await endLineage(catalog, lineage, deps.now());
    throw new NightjarError("LOG_DAMAGED", `The page log is damaged: ${message}`, {
      cause: thrown,
    });
  }
}

/** Return the state that the log holds at its newest transaction, `txid`. */
async function fromLog(
  context: Context,
  database: string,
  lineage: string,
  txid: number,
): Promise<Origin> {
  const moment = await momentOf(context, database, lineage, txid);
  const committedAt = new Date(moment.committedAt).toISOString();
  const { pageSize, pageCount } = moment;
  return {
    pageSize,
    pageCount,
    pages: pagesOf(context.bucket, moment),
    facts: () => ({ committedAt, log: { lineage, txid }, cursor: null }),
  };
}

/** Read the whole database, as the source sends it in ascending order. */
async function fromSource(
  { deps }: Context,
  { encrypted }: BackupDraft,
  source: Source,
  method: Method,
): Promise<Origin> {
  const image = encrypted
    ? readImage(source, deps, method.why, true)
    : pageSource(method, source, deps).pull(null);
  const events = image[Symbol.asyncIterator]();
  const { value: base } = await events.next();
  const seenAt = deps.now(); // the transaction that reads the image began before its first row came
  if (base?.kind !== "base" || !base.ascending)
    throw new NightjarError("PAGES_INVALID", "The server sent no whole image.");
  const { pages, end } = untilCommit(events, base.pageSize);
  async function* wholeImage(): AsyncIterable<readonly Page[]> {
    try {
      yield* pages;
    } finally {
      await events.return?.(); // events after the image are for the log
    }
  }
  const committedAt = new Date(seenAt).toISOString();
  return {
    pageSize: base.pageSize,
    pageCount: base.pageCount,
    pages: wholeImage(),
    ...(base.schema !== undefined && { schema: base.schema }),
    facts: () => ({ committedAt, log: null, cursor: end().cursor }),
  };
}

async function* counted(
  pages: AsyncIterable<readonly Page[]>,
  census: PageCensus,
): AsyncIterable<readonly Page[]> {
  for await (const batch of pages) {
    for (const { pgno, data } of batch) census.add(pgno, data);
    yield batch;
  }
}

/**
 * Return the facts of a database whose stored file is encrypted. Its newest migration is left out: it
 * is content.
 */
function factsOf(schema: readonly SchemaRow[], userVersion: number): StoredFacts {
  return {
    schemaHash: hashSchema(schema),
    userVersion,
    migration: null,
    tables: schema.filter(({ type }) => type === "table"),
    unfinished: schema.some(isMarker),
    tursoOnly: tursoOnly(schema),
  };
}

/**
 * Open the stored file with SQLite and return its facts. A file whose schema cannot be read is no backup,
 * and is removed.
 */
async function readBack(
  bucket: R2Bucket,
  key: string,
  rawBytes: number,
  storedBytes: number,
): Promise<StoredFacts> {
  try {
    const pages = await openSnapshot(bucket, {
      key,
      raw: { bytes: rawBytes },
      stored: { bytes: storedBytes },
    });
    const image = await openForFacts(pages);
    try {
      return await imageFacts(image);
    } finally {
      image.close();
    }
  } catch (thrown) {
    await removeObjects(bucket, [key]).catch(() => {}); // else the next run removes it
    throw thrown;
  }
}
