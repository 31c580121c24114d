import { enterSegment, type Lineage, openLineage, segmentsOf } from "../../catalog/lineages.ts";
import type { DatabaseConfig } from "../../config/database.ts";
import type { Context } from "../../worker/context.ts";
import { log } from "../../core/log.ts";
import { type Merge, mergesDue } from "../../plan/log-compaction.ts";
import type { Segment } from "../../catalog/lineages.ts";
import { momentOf, pagesOf } from "../../read/moment.ts";
import { COSTS, inTurn } from "../../worker/memory.ts";
import { readSegment } from "../../store/log-reader.ts";
import { LogWriter, writeLargeSegment } from "./writer.ts";

const READ_BACK_SPAN = 1024 * 1024;

/**
 * Merge the segments that are due in a database's log, so that few segments are needed for a moment.
 * The merged segments stay: they hold the moments in between, until the log's retention deletes them.
 * The new segment counts only after it has been read back.
 *
 * @throws NightjarError `STORE_FAILED`, `OBJECT_CORRUPT`, `OBJECT_MISSING`, `CATALOG_FAILED`
 */
export async function compactLog(context: Context, database: DatabaseConfig): Promise<void> {
  const { catalog, deps } = context;
  const lineage = await openLineage(catalog, database.name);
  if (lineage === undefined) return;
  const failures: unknown[] = [];
  for (const merge of mergesDue(await segmentsOf(catalog, lineage.id), deps.now(), database.logMs))
    // A merge that fails, for a damaged segment, does not prevent the others.
    await inTurn(context, COSTS.log, () => carryOut(context, lineage, merge)).catch(
      (thrown: unknown) => failures.push(thrown),
    );
  if (failures.length > 0) throw failures[0];
  await renewIdleBase(context, database, lineage);
}

async function carryOut(
  context: Context,
  lineage: Lineage,
  { level, inputs }: Merge<Segment>,
): Promise<void> {
  const first = inputs[0]!;
  const last = inputs.at(-1)!;
  const header = {
    pageSize: lineage.pageSize,
    commit: last.pageCount,
    minTxid: first.minTxid,
    maxTxid: last.maxTxid,
    timestamp: last.at,
    uncertainty: last.uncertainty,
    clockOffset: last.clockOffset,
  };
  await context.bucket.expect(inputs.map(({ key }) => key));
  const pages = pagesOf(context.bucket, { chain: inputs, pageCount: last.pageCount });
  await writeLargeSegment(
    context,
    { database: lineage.database, lineage: lineage.id, level, cursor: () => null },
    header,
    pages,
    async (row) => {
      for await (const batch of readSegment(context.bucket, row.key, row.bytes, READ_BACK_SPAN))
        void batch; // reading to the end is what checks it
      await enterSegment(context.catalog, row);
    },
  );
  log.info("log-compacted", {
    database: lineage.database,
    ltxLevel: level,
    segments: inputs.length,
  });
}

/**
 * Begin the log anew if its base is older than the log's retention, with the same pages and the same
 * place in the source's history. Otherwise a database without changes would keep its base until R2's
 * lifecycle deletes it.
 */
async function renewIdleBase(
  context: Context,
  { name, logMs }: DatabaseConfig,
  lineage: Lineage,
): Promise<void> {
  const { catalog, bucket, deps } = context;
  const rows = await segmentsOf(catalog, lineage.id);
  const newest = Math.max(
    ...rows.filter(({ minTxid }) => minTxid === 1).map((row) => row.createdAt),
  );
  if (deps.now() - newest <= logMs) return;
  const moment = await momentOf(context, name, lineage.id, lineage.txid);
  const { pageSize, committedAt: at, checkedAt, cursor } = lineage;
  const writer = new LogWriter(context, name, undefined);
  const { uncertainty, clockOffset } = moment.chain.at(-1)!;
  const dated = { at, uncertainty, clockOffset, checkedAt };
  const base = { why: "its base grew old", pageSize, ...dated };
  await inTurn(context, COSTS.log, () =>
    writer.beginFrom(base, moment.pageCount, pagesOf(bucket, moment), () => ({ cursor })),
  );
}
