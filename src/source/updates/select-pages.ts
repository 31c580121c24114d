/** First and last page of a range. */
export type PageRange = readonly [first: number, last: number];

/** The mark of a bitmap that has containers of runs. */
const COOKIE = 12_347;
/** With fewer containers than this, there is no table of their offsets. */
const NO_OFFSETS = 4;

/**
 * Return the selection of some pages as a Roaring bitmap in its portable form, with a container of runs for
 * each 65,536 numbers (https://github.com/RoaringBitmap/RoaringFormatSpec). The numbers of pages begin at 0
 * there.
 *
 * @param ranges ascending, and apart from one another
 */
export function selectPages(ranges: readonly PageRange[]): Uint8Array<ArrayBuffer> {
  const containers = new Map<number, { runs: number[]; count: number }>();
  for (const [first, last] of ranges)
    for (let from = first - 1; from < last;) {
      const high = Math.floor(from / 65_536);
      const to = Math.min(last - 1, high * 65_536 + 65_535);
      const container = containers.get(high) ?? { runs: [], count: 0 };
      containers.set(high, container);
      container.runs.push(from % 65_536, to - from); // a run's length is given less one
      container.count += to - from + 1;
      from = to + 1;
    }
  const size = containers.size;
  const flags = Math.ceil(size / 8);
  const offsets = size < NO_OFFSETS ? 0 : 4 * size;
  const begin = 4 + flags + 4 * size + offsets;
  const bodies = [...containers.values()].reduce((sum, { runs }) => sum + 2 + 2 * runs.length, 0);
  const bytes = new Uint8Array(begin + bodies);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, COOKIE | ((size - 1) << 16), true);
  for (let at = 0; at < size; at++) bytes[4 + (at >> 3)]! |= 1 << (at & 7);
  let head = 4 + flags;
  for (const [high, { count }] of containers) {
    view.setUint16(head, high, true);
    view.setUint16(head + 2, count - 1, true);
    head += 4;
  }
  let body = begin;
  for (const { runs } of containers.values()) {
    if (offsets > 0) view.setUint32(head, body, true);
    head += 4;
    view.setUint16(body, runs.length / 2, true);
    for (const [at, value] of runs.entries()) view.setUint16(body + 2 + 2 * at, value, true);
    body += 2 + 2 * runs.length;
  }
  return bytes;
}

/** Return the ranges of some pages. @param pgnos ascending, each once */
export function rangesOf(pgnos: Iterable<number>): PageRange[] {
  const ranges: [number, number][] = [];
  for (const pgno of pgnos) {
    const last = ranges.at(-1);
    if (last?.[1] === pgno - 1) last[1] = pgno;
    else ranges.push([pgno, pgno]);
  }
  return ranges;
}

/** Return the ranges of all other pages of a database. @param pgnos ascending, each once */
export function rangesWithout(pgnos: Iterable<number>, pageCount: number): PageRange[] {
  const ranges: PageRange[] = [];
  let next = 1;
  for (const [first, last] of rangesOf(pgnos)) {
    if (first > next) ranges.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= pageCount) ranges.push([next, pageCount]);
  return ranges;
}
