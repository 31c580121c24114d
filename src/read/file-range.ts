import type { Context } from "../worker/context.ts";
import { withJournal } from "../format/pages/database-header.ts";
import type { PageReader } from "../format/pages/page.ts";
import { BlockCache, sharedBlocks } from "../store/block-cache.ts";
import { openLog } from "../store/log-reader.ts";
import type { Span } from "../store/read.ts";
import { openSnapshot } from "../store/snapshot-reader.ts";
import { refuseEncrypted, type Stored } from "./stored.ts";

/** Bytes of a piece that is yielded. */
const PIECE = 256 * 1024;
/** Bytes of a range that is read with the blocks that the isolate remembers: those of a database client. */
export const SMALL_RANGE = 2 * 1024 * 1024;
/** For a larger one: frames that are read at once (2 MiB), and bytes of blocks that are held. */
const FRAMES = 8;
const CACHE = 4 * 1024 * 1024;

/**
 * Yield a range of the database file that is stored, page by page where it lies. Each frame of a snapshot is
 * checked; the whole file is not. A piece is valid until the next one is asked for.
 *
 * @throws NightjarError `BACKUP_ENCRYPTED`, `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
 */
export async function* fileRange(
  context: Context,
  stored: Stored,
  span: Span,
): AsyncIterable<Uint8Array> {
  const pages = await openFile(context, stored, span);
  const { pageSize } = pages;
  const piece = new Uint8Array(Math.min(PIECE, span.length));
  let filled = 0;
  let at = span.offset;
  const end = span.offset + span.length;
  while (at < end) {
    const within = at % pageSize;
    const wanted = Math.min(pageSize - within, end - at, piece.length - filled);
    const pgno = Math.floor(at / pageSize) + 1;
    await pages.usePage(pgno, (page) => {
      // As in the whole file, which says of a moment's pages that they need no WAL.
      const own = pgno === 1 && "moment" in stored ? withJournal(page, "rollback") : page;
      piece.set(own.subarray(within, within + wanted), filled);
    });
    at += wanted;
    filled += wanted;
    if (filled < piece.length && at < end) continue;
    yield piece.subarray(0, filled);
    filled = 0;
  }
}

async function openFile(
  { bucket }: Context,
  stored: Stored,
  { length }: Span,
): Promise<PageReader> {
  refuseEncrypted(stored);
  const isSmall = length <= SMALL_RANGE;
  const cache = isSmall ? sharedBlocks : new BlockCache(CACHE);
  return "manifest" in stored
    ? openSnapshot(bucket, stored.manifest, cache, isSmall ? 1 : FRAMES)
    : openLog(bucket, stored.moment.chain, stored.moment, cache);
}
