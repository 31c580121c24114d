import { iso } from "../../core/iso.ts";
import { NightjarError } from "../../errors/errors.ts";
import { type JsonValue, sqlValueOf, type SqlValue } from "../../format/rows/json-value.ts";
import { concerning } from "../../format/tables/erasure.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { ReadCounter } from "../../store/read-counter.ts";
import type { Context } from "../../worker/context.ts";
import { atOnce, COSTS } from "../../worker/memory.ts";
import { erasuresOf } from "../erasures.ts";
import { type ChangedColumn, changedColumns, pairsOf } from "./row-change.ts";
import { RowReader, type Seen } from "./row-reader.ts";
import { type State, StoredStates } from "./stored-states.ts";

/** Reads of the bucket at most, of the 10,000 requests that a Worker may make, and those left for one state. */
const MOST_READS = 9000;
const READS_OF_STATE = 1500;
/** Time after which no further state is looked at, ms. */
const TIME = 20_000;
/** Characters of the changes that are told at most. */
const LONGEST_ANSWER = 8 * 1024 * 1024;

export interface HistoryRequest {
  readonly table: string;
  /** A value for each part of the key, in the forms of `JsonValue`. */
  readonly key: readonly unknown[];
  /** ms; the state of then is the oldest one that is looked at. */
  readonly since?: number | undefined;
  /** Changes at most. */
  readonly limit: number;
  /** The state to go on from. */
  readonly cursor?: string | undefined;
}

/** A change of a row, as of the first known state that has it. */
export interface RowChange {
  /** ISO 8601: the last commit of that state. */
  readonly asOf: string;
  readonly uncertaintyMs: number | null;
  /** A backup of that state. */
  readonly backup: string | null;
  readonly lineage: string | null;
  readonly txid: number | null;
  /** The state before it that is known; null if there is none. The change was made between the two. */
  readonly after: string | null;
  /** `there`: in the oldest state that was looked at. */
  readonly change: "there" | "added" | "changed" | "removed";
  /** Names and values afterwards; of a row that was removed, before. */
  readonly values: readonly (readonly [name: string, value: JsonValue])[];
  /** Columns that changed. */
  readonly changed: readonly ChangedColumn[];
}

export interface RowHistory {
  readonly table: string;
  readonly key: readonly (readonly [name: string, value: unknown])[];
  /** Newest first. */
  readonly changes: readonly RowChange[];
  /** True if older states were not looked at. */
  readonly truncated: boolean;
  /** The limit that was met. */
  readonly met: "changes" | "reads" | "time" | "bytes" | null;
  readonly next: string | null;
  readonly looked: {
    readonly from: string | null;
    readonly to: string | null;
    readonly states: number;
    readonly backups: number;
    /** States that were read; the others are the same by the pages that the log says were written. */
    readonly read: number;
    readonly pages: number;
    readonly reads: number;
  };
  readonly leftOut: {
    readonly dumps: number;
    readonly encrypted: number;
    readonly unreadable: number;
    /** States in which the table has another number of columns in its key. */
    readonly otherKey: number;
  };
}

/**
 * Tell every state of one row that backups and log hold, newest first, without those that the erasure list
 * names.
 *
 * @throws NightjarError `REQUEST_INVALID` for a key or a cursor that does not fit, `TABLE_UNKNOWN`,
 *   `MOMENT_UNAVAILABLE` if nothing is stored that can be read in place, `QUERY_LIMIT`, `ERASURE_FAILED`,
 *   `BUSY`; the bucket's
 */
export async function rowHistory(
  context: Context,
  database: string,
  request: HistoryRequest,
): Promise<RowHistory> {
  const key = request.key.map(valueOfKey);
  return atOnce(context, COSTS.history, async () => {
    const counter = new ReadCounter(context.bucket, MOST_READS);
    const stored = await StoredStates.find(context, counter, database);
    if (stored.states.length === 0)
      throw new NightjarError(
        "MOMENT_UNAVAILABLE",
        `Nothing is stored of ${database} in which a row can be found: it has no page log, and no backup by pages that is not encrypted.`,
        { hint: "Make a backup by pages, or download a dump and look there." },
      );
    const about = (await erasuresOf(context, database)).filter(
      ({ table, withdrawn }) =>
        withdrawn === undefined && lowerName(table) === lowerName(request.table),
    );
    const reader = new RowReader(stored, request.table, key, about);
    try {
      return await new Walk(context, stored, counter, reader, request).run();
    } finally {
      reader.close();
    }
  });
}

function valueOfKey(value: unknown, at: number): SqlValue {
  const found = sqlValueOf(value);
  if (found !== undefined && found !== null) return found;
  throw new NightjarError("REQUEST_INVALID", `key.${at}: must be a value, and not null`);
}

/** Goes back through the states, from the newest on. */
class Walk {
  readonly #context: Context;
  readonly #stored: StoredStates;
  readonly #counter: ReadCounter;
  readonly #reader: RowReader;
  readonly #request: HistoryRequest;
  readonly #states: readonly State[];
  readonly #began: number;
  readonly #changes: RowChange[] = [];
  #length = 0;
  #unreadable = 0;
  #otherKey = 0;
  #isKnown = false;
  #names: readonly string[] | undefined;

  constructor(
    context: Context,
    stored: StoredStates,
    counter: ReadCounter,
    reader: RowReader,
    request: HistoryRequest,
  ) {
    this.#context = context;
    this.#stored = stored;
    this.#counter = counter;
    this.#reader = reader;
    this.#request = request;
    this.#began = context.deps.now();
    this.#states = since(stored.states, request.since);
  }

  async run(): Promise<RowHistory> {
    const { cursor } = this.#request;
    const states = this.#states;
    const start = cursor === undefined ? 0 : states.findIndex(({ id }) => id === cursor);
    if (start === -1)
      throw new NightjarError("REQUEST_INVALID", "cursor: names a state that is no longer stored.");
    let seen = await this.#nextReadable(start);
    /** The oldest state that is known to have the row as `seen` has it. */
    let oldest = seen?.at ?? start;
    let met: RowHistory["met"] = null;
    while (seen !== undefined) {
      const reach = await this.#reader.reach(states, oldest, seen.found);
      if (reach > oldest) {
        this.#compare(states[oldest]!, seen.found, states[reach]!, seen.found);
        oldest = reach;
        continue;
      }
      if (oldest + 1 >= states.length) break;
      met = this.#met();
      if (met !== null) break;
      const before = await this.#nextReadable(oldest + 1);
      if (before === undefined) break;
      this.#compare(states[oldest]!, seen.found, states[before.at]!, before.found);
      seen = before;
      oldest = before.at;
    }
    if (met === null && seen !== undefined) this.#end(states[oldest]!, seen.found);
    if (met === null && !this.#isKnown && cursor === undefined) throw this.#unknown();
    return this.#told(start, met === null ? states.length - 1 : oldest, met);
  }

  /** Read the first state from `at` on that can be read. */
  async #nextReadable(at: number): Promise<{ at: number; found: Seen } | undefined> {
    for (let next = at; next < this.#states.length; next++) {
      const found = await this.#reader.see(this.#states[next]!);
      if (found === undefined) {
        this.#unreadable++;
        continue;
      }
      this.#isKnown ||= found.key !== undefined;
      if (found.key !== undefined && found.key.length !== this.#request.key.length) {
        if (this.#names === undefined && this.#request.cursor === undefined)
          this.#refuseKey(found.key);
        this.#otherKey++;
      } else this.#names ??= found.key;
      return { at: next, found };
    }
    return undefined;
  }

  #refuseKey(names: readonly string[]): never {
    throw new NightjarError(
      "REQUEST_INVALID",
      `key: The key of ${this.#request.table} is ${names.join(", ")}: it takes ${names.length} values, and ${this.#request.key.length} were given.`,
    );
  }

  #unknown(): NightjarError {
    return new NightjarError(
      "TABLE_UNKNOWN",
      `No stored state has a table ${this.#request.table.slice(0, 200)} whose rows have a key.`,
    );
  }

  /** Return the row of a state as it may be shown: undefined for one that the erasure list names. */
  #shown(state: State, { row }: Seen): Seen["row"] {
    if (row === undefined || row.erasures.length === 0) return row;
    return concerning(row.erasures, earliestOf(state)).length > 0 ? undefined : row;
  }

  /** Note the change that lies between two states: `later` is the first known one after `earlier`. */
  #compare(later: State, after: Seen, earlier: State, before: Seen): void {
    const [now, old] = [this.#shown(later, after), this.#shown(earlier, before)];
    if (now === undefined && old === undefined) return;
    const isEither = now === undefined || old === undefined || now === old;
    const changed = isEither ? [] : changedColumns(old, now);
    if (now !== undefined && old !== undefined && changed.length === 0) return;
    const change = old === undefined ? "added" : now === undefined ? "removed" : "changed";
    this.#note(later, change, (now ?? old)!, changed, earlier);
  }

  /** Note a row that the oldest state has. */
  #end(state: State, seen: Seen): void {
    const row = this.#shown(state, seen);
    if (row !== undefined) this.#note(state, "there", row, []);
  }

  #note(
    { at, uncertaintyMs, backups, place }: State,
    change: RowChange["change"],
    row: NonNullable<Seen["row"]>,
    changed: readonly ChangedColumn[],
    earlier?: State,
  ): void {
    const noted: RowChange = {
      ...{ asOf: iso(at), uncertaintyMs, backup: backups[0]?.id ?? null },
      ...{ lineage: place?.lineage ?? null, txid: place?.txid ?? null },
      after: earlier === undefined ? null : iso(earlier.at),
      ...{ change, values: pairsOf(row), changed },
    };
    this.#length += JSON.stringify(noted).length;
    this.#changes.push(noted);
  }

  #met(): RowHistory["met"] {
    if (this.#changes.length >= this.#request.limit) return "changes";
    if (this.#counter.reads > MOST_READS - READS_OF_STATE) return "reads";
    if (this.#length > LONGEST_ANSWER) return "bytes";
    return this.#context.deps.now() - this.#began > TIME ? "time" : null;
  }

  #told(start: number, end: number, met: RowHistory["met"]): RowHistory {
    const looked = this.#states.slice(start, end + 1);
    const { read, pages } = this.#reader;
    const names = this.#names ?? [];
    return {
      table: this.#request.table,
      key: this.#request.key.map((value, at) => [names[at] ?? `key ${at + 1}`, value]),
      changes: this.#changes,
      truncated: met !== null,
      met,
      next: met === null ? null : this.#states[end]!.id,
      looked: {
        from: looked.length === 0 ? null : iso(looked.at(-1)!.at),
        to: looked.length === 0 ? null : iso(looked[0]!.at),
        states: looked.length,
        backups: looked.reduce((sum, { backups }) => sum + backups.length, 0),
        ...{ read, pages, reads: this.#counter.reads },
      },
      leftOut: {
        ...this.#stored.leftOut,
        ...{ unreadable: this.#unreadable, otherKey: this.#otherKey },
      },
    };
  }
}

/** Return the states from the one that stood at a moment on. */
function since(states: readonly State[], moment: number | undefined): readonly State[] {
  if (moment === undefined) return states;
  const oldest = states.findIndex(({ at }) => at <= moment);
  return oldest === -1 ? states : states.slice(0, oldest + 1);
}

/** Return the earliest time at which a state can have been, ISO 8601. */
function earliestOf({ at, uncertaintyMs, inLog, backups }: State): string {
  return iso(inLog ? at - (uncertaintyMs ?? 0) : (backups[0]?.takenAt ?? at));
}
