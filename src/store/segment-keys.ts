import { DATABASE_NAME } from "../plan/names/database-name.ts";

/**
 * Keys of the page log, in Litestream's layout (docs/format.md):
 *
 *     log/<database>/<lineage>/ltx/<level>/<min16>-<max16>.ltx
 *     log/<database>/<lineage>/notes/<level>/<min16>-<max16>.json   the note of one written by parts
 */
export interface SegmentName {
  readonly database: string;
  readonly lineage: string;
  readonly level: number;
  readonly minTxid: number;
  readonly maxTxid: number;
}

export function segmentKey({ database, lineage, level, minTxid, maxTxid }: SegmentName): string {
  return `${levelPrefix(database, lineage, level)}${hex16(minTxid)}-${hex16(maxTxid)}.ltx`;
}

/** Return the prefix of the keys of a level's segments, which sort by their first transaction. */
export function levelPrefix(database: string, lineage: string, level: number): string {
  return `log/${database}/${lineage}/ltx/${level}/`;
}

/**
 * Return the key of the note of a segment that was written by parts: R2 takes metadata only before the
 * bytes.
 */
export function noteKey(segment: string): string {
  return segment.replace("/ltx/", "/notes/").replace(/\.ltx$/, ".json");
}

/**
 * Return the prefix of spilled pages: those of a pull that are too many for the memory wait there,
 * sorted, to be merged into a segment.
 */
export function spillPrefix(database: string): string {
  return `log/${database}/spill/`;
}

export function spillKey(database: string, number: number): string {
  return `${spillPrefix(database)}${hex16(number)}.ltx`;
}

const KEY = new RegExp(
  String.raw`^log/(${DATABASE_NAME})/(\d{8}T\d{6}Z-[0-9a-z]{12})/ltx/(\d)/([0-9a-f]{16})-([0-9a-f]{16})\.ltx$`,
);

/** Parse a key of the log; undefined for any other key. */
export function parseSegmentKey(key: string): SegmentName | undefined {
  const [, database, lineage, level, min, max] = KEY.exec(key) ?? [];
  if (database === undefined) return undefined;
  return {
    database,
    lineage: lineage!,
    level: Number(level),
    minTxid: Number.parseInt(min!, 16),
    maxTxid: Number.parseInt(max!, 16),
  };
}

/** Format a transaction as in keys: 16 hexadecimal digits, so that keys sort by it. */
export function hex16(number: number): string {
  return number.toString(16).padStart(16, "0");
}
