import { readDatabaseHeader } from "../database-header.ts";
import { FILE_HEADER, isInterior } from "../btree-kind.ts";

/** The size of a database. */
export interface DatabaseSize {
  /** Bytes: a power of two from 512 to 65,536. */
  readonly pageSize: number;
  /** Pages 1 to this one exist. */
  readonly pageCount: number;
}

/**
 * The fields of a database's header about the use of its pages
 * (https://sqlite.org/fileformat2.html#the_database_header).
 */
export interface AuditHeader {
  /** Bytes of each page that SQLite uses; the rest is reserved for extensions. */
  readonly usable: number;
  /** The first trunk page of the freelist; 0 when there is none. */
  readonly firstTrunk: number;
  /** Pages of the freelist, trunk pages among them. */
  readonly freePages: number;
  /** The largest root page of a database that has pointer maps; 0 when it has none. */
  readonly largestRoot: number;
}

/** The smallest usable size: a page of 480 bytes still holds four cells of an index. */
const LEAST_USABLE = 480;

/** Offset of the number of cells in page 1. */
const CELLS = FILE_HEADER + 3;

/**
 * Read the header at the start of page 1.
 *
 * @returns the header, or what is wrong with it, as the end of a sentence
 */
export function auditHeader(page: Uint8Array, size: DatabaseSize): AuditHeader | string {
  const [write, read, reserved, ...fractions] = page.subarray(18, 24);
  if (!isVersion(write!) || !isVersion(read!))
    return `the header's journal versions are ${write} and ${read}, not 1 or 2`;
  if (fractions.join() !== "64,32,32")
    return `the header's payload fractions are ${fractions.join(", ")}, not 64, 32, 32`;
  const pageCount = pagesBy(page, size);
  if (pageCount === undefined)
    return `the header is none of an SQLite database with pages of ${size.pageSize} bytes`;
  if (pageCount !== null && pageCount !== size.pageCount)
    return `the header tells of ${pageCount} pages, not of ${size.pageCount}`;

  const view = new DataView(page.buffer, page.byteOffset, page.length);
  if (size.pageSize - reserved! < LEAST_USABLE)
    return `the header reserves ${reserved} bytes of each page, more than SQLite can spare`;

  const empty = !isInterior(page[FILE_HEADER]!) && view.getUint16(CELLS) === 0;
  const formatProblem =
    outside("schema format", view.getUint32(44), empty ? 0 : 1, 4) ??
    outside("text encoding", view.getUint32(56), empty ? 0 : 1, 3);
  if (formatProblem !== undefined) return formatProblem;

  const largestRoot = view.getUint32(52);
  if (largestRoot === 0 && view.getUint32(64) !== 0)
    return "the header asks for incremental vacuums of a database without pointer maps";
  return {
    usable: size.pageSize - reserved!,
    firstTrunk: view.getUint32(32),
    freePages: view.getUint32(36),
    largestRoot,
  };
}

/** Return the header's number of pages, null if it is stale; undefined if the header does not fit. */
function pagesBy(page: Uint8Array, size: DatabaseSize): number | null | undefined {
  try {
    const header = readDatabaseHeader(page);
    return header.pageSize === size.pageSize ? header.pageCount : undefined;
  } catch {
    return undefined;
  }
}

/** Return true for a valid version: 1 is a rollback journal, 2 a write-ahead log. */
function isVersion(version: number): boolean {
  return version === 1 || version === 2;
}

function outside(what: string, value: number, least: number, most: number): string | undefined {
  if (value >= least && value <= most) return undefined;
  return `the header's ${what} is ${value}, not ${least} to ${most}`;
}
