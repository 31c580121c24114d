import type { ChainLink } from "./log-chain.ts";

/** The facts of a backup by pages that the list of states needs. */
export interface SnapshotState {
  readonly id: string;
  /** Time of its last commit, ms. */
  readonly at: number;
  readonly lineage: string | null;
  readonly txid: number | null;
}

/** A segment of the log that the list of states needs. */
export interface SegmentState extends ChainLink {
  readonly uncertainty: number | null;
}

/** A state of a database that is stored: in the log, as backups, or both. */
export interface RowState<B> {
  /** Names the state in a cursor. */
  readonly id: string;
  /** Time of its last commit, ms: the latest possible one. */
  readonly at: number;
  readonly uncertaintyMs: number | null;
  readonly place: { readonly lineage: string; readonly txid: number } | null;
  /** True if the log holds it. */
  readonly inLog: boolean;
  /** Backups of exactly this state, oldest first. */
  readonly backups: readonly B[];
}

/**
 * List all states of a database that are stored, newest first. States of one lineage come in the order of
 * their transactions; a snapshot that the log does not know comes where its time is.
 *
 * @param lineages oldest first, each with its segments
 */
export function rowStates<B extends SnapshotState>(
  lineages: readonly { readonly id: string; readonly segments: readonly SegmentState[] }[],
  snapshots: readonly B[],
): RowState<B>[] {
  const placed = new Map<string, B[]>();
  const loose: B[] = [];
  const known = new Set(lineages.map(({ id }) => id));
  for (const snapshot of snapshots) {
    const { lineage, txid } = snapshot;
    if (lineage === null || txid === null || !known.has(lineage)) loose.push(snapshot);
    else placed.set(lineage, [...(placed.get(lineage) ?? []), snapshot]);
  }
  const states = lineages.flatMap(({ id, segments }) =>
    statesOf(id, segments, placed.get(id) ?? []),
  );
  for (const snapshot of loose) {
    const { id, at, lineage, txid } = snapshot;
    const place = lineage === null || txid === null ? null : { lineage, txid };
    const before = states.findIndex((state) => state.at >= at);
    const state = { id, at, uncertaintyMs: null, place, inLog: false, backups: [snapshot] };
    states.splice(before === -1 ? states.length : before, 0, state);
  }
  return states.toReversed();
}

/** Return the states of one lineage, oldest first. */
function statesOf<B extends SnapshotState>(
  lineage: string,
  segments: readonly SegmentState[],
  snapshots: readonly B[],
): RowState<B>[] {
  const bases = segments.filter(({ minTxid }) => minTxid === 1).map(({ maxTxid }) => maxTxid);
  const oldest = Math.min(...bases);
  const states = new Map<number, RowState<B>>();
  for (const { maxTxid: txid, at, uncertainty } of segments) {
    if (txid < oldest) continue;
    const id = `${lineage}-${txid}`;
    const place = { lineage, txid };
    states.set(txid, { id, at, uncertaintyMs: uncertainty, place, inLog: true, backups: [] });
  }
  for (const snapshot of snapshots) {
    const txid = snapshot.txid!;
    const { id, at } = snapshot;
    const own = { id, at, uncertaintyMs: null, place: { lineage, txid }, inLog: false };
    const state = states.get(txid) ?? { ...own, backups: [] };
    states.set(txid, { ...state, backups: [...state.backups, snapshot] });
  }
  return [...states].toSorted(([a], [b]) => a - b).map(([, state]) => state);
}

/**
 * Find how far back the states are the same as one of them where none of a segment's pages matters.
 *
 * @param states newest first
 * @param at index of the state that the segment ends with
 * @returns the index of the oldest such state
 */
export function reachOf(
  states: readonly RowState<unknown>[],
  at: number,
  { minTxid }: ChainLink,
): number {
  const { lineage } = states[at]!.place!;
  let reach = at;
  for (let next = at + 1; next < states.length; next++) {
    const place = states[next]!.place;
    if (place === null || place.lineage !== lineage || place.txid < minTxid - 1) break;
    reach = next;
  }
  return reach;
}
