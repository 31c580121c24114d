import { NightjarError } from "../../errors/errors.ts";
import { pagesInFile } from "../../format/pages/database-file.ts";
import { Meter, tap } from "../../format/bytes/hash.ts";
import { tableOptions } from "../../format/sql/libsql-schema.ts";
import { PageAudit, type Root } from "../../format/pages/page-audit.ts";
import { isPageSize, type PageReader, readPage } from "../../format/pages/page.ts";
import type { Manifest, SnapshotFacts, SpotCheck } from "../../model/manifest.ts";
import { type ImageFacts, imageFacts } from "../../sqlite/facts.ts";
import type { Image } from "../../sqlite/engine/image.ts";
import { openForFacts } from "../../sqlite/engine/open.ts";
import { readSchema } from "../../sqlite/tables.ts";
import { BlockCache } from "../../store/block-cache.ts";
import { openSnapshot, readSnapshotFile } from "../../store/snapshot-reader.ts";
import type { Findings } from "./findings.ts";
import { sameBytes, sameRows, sameSchema } from "./verify-facts.ts";

/** Bytes of blocks held while the schema is read. */
const CACHE = 4 * 1024 * 1024;

/**
 * Read a snapshot back: every byte, every page's place in the database, every table.
 *
 * @throws NightjarError `STORE_FAILED`
 */
export async function verifySnapshot(
  bucket: R2Bucket,
  manifest: Manifest,
  findings: Findings,
): Promise<void> {
  const facts = manifest.snapshot!;
  const audit = new PageAudit(facts);
  await findings.check("bytes", () => readPages(bucket, manifest, facts, audit));

  let image: Image | undefined;
  let pages: PageReader | undefined;
  let rows = new Map<number, number>();
  try {
    await findings.check("structure", async () => {
      // Not the cache that queries share: what counts is what is in the bucket now.
      pages = await openSnapshot(bucket, manifest, new BlockCache(CACHE));
      image = await openForFacts(pages);
      const roots = await rootsOf(image);
      rows = await audit.finish(roots, (pgno) => readPage(pages!, pgno));
      return `each of ${facts.pageCount} pages has its one place, under ${roots.length} roots`;
    });
    let found: ImageFacts | undefined;
    await findings.check("rows", async () => {
      found = await imageFacts(image!);
      return sameRows(
        manifest,
        found.tables.map(({ name, rootpage }) => ({
          name,
          rows: rootpage === 0 ? null : (rows.get(rootpage) ?? 0),
        })),
      );
    });
    await findings.check("schema", async () => sameSchema(manifest, found!.schemaHash));
    if (facts.spotCheck !== undefined) {
      const words = wordsOf(facts.spotCheck);
      await findings.check("spot check", async () => words);
    }
  } finally {
    image?.close();
  }
}

/** Say what the capture found when it asked the server once more. */
function wordsOf({ pages, why }: SpotCheck): string {
  return why === null
    ? `${pages} pages that the server gave once more after the capture were the stored ones`
    : `no page was read again from the server: ${why}`;
}

async function readPages(
  bucket: R2Bucket,
  manifest: Manifest,
  { pageSize, pageCount }: SnapshotFacts,
  audit: PageAudit,
): Promise<string> {
  if (!isPageSize(pageSize) || pageSize * pageCount !== manifest.raw.bytes)
    throw new NightjarError(
      "OBJECT_CORRUPT",
      `The manifest tells of ${pageCount} pages of ${pageSize} bytes, and of ${manifest.raw.bytes} bytes.`,
    );
  const stored = new Meter();
  const raw = new Meter();
  const file = readSnapshotFile(bucket, manifest, (bytes) => stored.update(bytes));
  for await (const batch of pagesInFile(
    tap(file, (bytes) => raw.update(bytes)),
    pageSize,
  ))
    for (const { pgno, data } of batch) audit.add(pgno, data);
  return sameBytes(manifest, stored, raw);
}

/** Return the roots of all b-trees; a materialized view of Turso's engine has one, too. */
async function rootsOf(image: Image): Promise<Root[]> {
  const schema = await readSchema(image);
  return schema
    .filter(({ rootpage }) => rootpage > 0)
    .map(({ type, name, rootpage, sql }) => {
      const { withoutRowid } = tableOptions(type === "table" ? (sql ?? "") : "");
      return { type, name, rootpage, withoutRowid };
    });
}
