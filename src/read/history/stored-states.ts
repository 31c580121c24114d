import { statesOfBackups } from "../../catalog/backups.ts";
import { type Lineage, lineagesOf, type Segment, segmentsOf } from "../../catalog/lineages.ts";
import { iso } from "../../core/iso.ts";
import { NightjarError } from "../../errors/errors.ts";
import { copyOf } from "../../format/bytes/bytes.ts";
import { decodeLtxPage } from "../../format/ltx/decode.ts";
import type { PageReader } from "../../format/pages/page.ts";
import { chainTo } from "../../plan/log-chain.ts";
import { type RowState, rowStates, type SnapshotState } from "../../plan/row-states.ts";
import { BlockCache } from "../../store/block-cache.ts";
import { openLog } from "../../store/log-reader.ts";
import { readSpan } from "../../store/range-reader.ts";
import type { ObjectReader } from "../../store/read-counter.ts";
import { openSnapshot, type StoredSnapshot } from "../../store/snapshot-reader.ts";
import type { Context } from "../../worker/context.ts";
import { SegmentIndexes } from "./segment-indexes.ts";

/** Bytes of blocks that are held, and bytes of a segment that are read at once. */
const CACHE = 4 * 1024 * 1024;
const BLOCK = 32 * 1024;

/** A snapshot in the bucket, as a state. */
export interface Snapshot extends SnapshotState, StoredSnapshot {
  readonly takenAt: number;
}

export type State = RowState<Snapshot>;

/** The log of a database, as far as it is kept. */
type Log = Lineage & { readonly segments: readonly Segment[] };

/** All states of a database that can be read in place, and readers of their pages. */
export class StoredStates {
  /** Newest first. */
  readonly states: readonly State[];
  /** Backups that cannot be read in place. */
  readonly leftOut: { readonly dumps: number; readonly encrypted: number };
  readonly indexes: SegmentIndexes;
  readonly #bucket: ObjectReader;
  readonly #logs: ReadonlyMap<string, Log>;
  readonly #byEnd = new Map<string, Segment[]>();
  readonly #blocks = new BlockCache(CACHE);

  private constructor(
    bucket: ObjectReader,
    logs: readonly Log[],
    snapshots: readonly Snapshot[],
    leftOut: { dumps: number; encrypted: number },
  ) {
    this.states = rowStates(logs, snapshots);
    this.leftOut = leftOut;
    this.indexes = new SegmentIndexes(bucket);
    this.#bucket = bucket;
    this.#logs = new Map(logs.map((one) => [one.id, one]));
    for (const segment of logs.flatMap(({ segments }) => segments)) {
      const end = `${segment.lineage}-${segment.maxTxid}`;
      this.#byEnd.set(end, [...(this.#byEnd.get(end) ?? []), segment]);
    }
  }

  /** List the states. Nothing is read from the bucket. @throws NightjarError `CATALOG_FAILED` */
  static async find(
    { bucket: guarded, catalog }: Context,
    bucket: ObjectReader,
    database: string,
  ): Promise<StoredStates> {
    const logs: Log[] = [];
    for (const lineage of await lineagesOf(catalog, database))
      logs.push({ ...lineage, segments: await segmentsOf(catalog, lineage.id) });
    const all = await statesOfBackups(catalog, database);
    const dumps = all.filter(({ kind }) => kind === "dump");
    const encrypted = all.filter((one) => one.kind !== "dump" && one.encrypted);
    const snapshots = all
      .filter((one) => one.kind === "snapshot" && !one.encrypted)
      .map(({ storedBytes, rawBytes, committedAt, ...one }) => ({
        ...one,
        at: committedAt === null ? one.takenAt : Date.parse(committedAt),
        stored: { bytes: storedBytes },
        raw: { bytes: rawBytes },
      }));
    const leftOut = { dumps: dumps.length, encrypted: encrypted.length };
    const objects = [...logs.flatMap(({ segments }) => segments), ...snapshots];
    await guarded.expect(objects.map(({ key }) => key));
    return new StoredStates(bucket, logs, snapshots, leftOut);
  }

  /** Return the segments that end with a state, and hold no whole database. */
  endingWith({ place }: State): readonly Segment[] {
    const found = place === null ? [] : this.#byEnd.get(`${place.lineage}-${place.txid}`);
    return (found ?? []).filter(({ minTxid }) => minTxid > 1);
  }

  segmentsOf(lineage: string): readonly Segment[] {
    return this.#logs.get(lineage)?.segments ?? [];
  }

  /**
   * Open the pages of a state.
   *
   * @throws NightjarError `OBJECT_MISSING`, `OBJECT_CORRUPT`, `STORE_FAILED`
   */
  async open(state: State): Promise<PageReader> {
    const chain = this.#chainTo(state);
    const [backup] = state.backups;
    if (chain === undefined && backup !== undefined)
      return openSnapshot(this.#bucket, backup, this.#blocks);
    if (chain === undefined)
      throw new NightjarError(
        "OBJECT_MISSING",
        `The log no longer holds all that makes the state of ${iso(state.at)}.`,
      );
    const { pageSize } = this.#logs.get(state.place!.lineage)!;
    const { pageCount } = chain.at(-1)!;
    const shape = { pageSize, pageCount };
    return openLog(this.#bucket, chain, shape, this.#blocks, BLOCK, (one) =>
      this.indexes.read(one),
    );
  }

  /** Read page 1 of a state. @throws NightjarError as `open` */
  async firstPage(state: State): Promise<Uint8Array> {
    const chain = this.#chainTo(state);
    if (chain === undefined) return (await this.open(state)).usePage(1, copyOf);
    const { pageSize } = this.#logs.get(state.place!.lineage)!;
    // Opening it would read the indexes of all segments.
    for (const segment of chain.toReversed()) {
      const place = (await this.indexes.read(segment)).find(1);
      if (place === undefined) continue;
      const { key, bytes } = segment;
      const span = await readSpan(this.#bucket, key, place.offset, place.size, bytes);
      return decodeLtxPage(span, pageSize).data;
    }
    throw new NightjarError("OBJECT_CORRUPT", "No segment of the log has page 1.");
  }

  #chainTo({ inLog, place }: State): Segment[] | undefined {
    return inLog ? chainTo(this.segmentsOf(place!.lineage), place!.txid) : undefined;
  }
}
