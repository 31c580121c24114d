import { createHash } from "node:crypto";
import { NightjarError } from "../../../errors/errors.ts";
import type { JsonValue, SqlValue } from "../../../format/rows/json-value.ts";
import { lowerName } from "../../../format/tables/selection.ts";
import type { SubjectView } from "../../../model/restore-report.ts";
import { erasuresAt, erasuresOfBackup } from "../../../read/erasures.ts";
import { earliestOf } from "../../../read/moment.ts";
import { openStored, refuseEncrypted } from "../../../read/stored.ts";
import type { Image } from "../../../sqlite/engine/image.ts";
import {
  type Allowance,
  type PickedRow,
  pickRow,
  pickRows,
} from "../../../sqlite/rows/pick-rows.ts";
import { type KeyedTable, readKeyedTable } from "../../../sqlite/rows/table-key.ts";
import { haveValues, readTargetRows } from "../../../target/rows/read-rows.ts";
import {
  type ForeignKey,
  readTargetTable,
  type TargetTable,
} from "../../../target/rows/target-table.ts";
import type { WrittenRow, WrittenTable } from "../../../target/rows/write-rows.ts";
import type { Context } from "../../../worker/context.ts";
import { type Subject, viewOf } from "../subject.ts";
import { resolveTarget, type Target, type TargetName } from "../target.ts";
import { isSameValue, jsonOf } from "./same-value.ts";

/** Rows at most, and bytes of their values, in the subject and again in the target. */
const MOST_ROWS = 10_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** Missing parents that are named. */
const NAMED = 20;

export interface RowsRequest {
  readonly target: TargetName;
  readonly table: string;
  /** An SQL expression of the table's columns. */
  readonly where: string;
  /** Restore the rows that the chosen ones refer to, where the target lacks them. */
  readonly withParents: boolean;
}

/** A row that the target lacks, and that a chosen one refers to. */
export interface MissingParent {
  readonly table: string;
  readonly key: readonly (readonly [name: string, value: JsonValue])[];
  readonly referredBy: string;
  /** True if the restored state has it. */
  readonly stored: boolean;
}

/** What would be written to the target. */
export interface PlannedRows {
  readonly subject: SubjectView;
  readonly target: Target;
  readonly tables: readonly WrittenTable[];
  readonly missing: readonly MissingParent[];
  /** Names the plan: what is written, and what is there now. */
  readonly digest: string;
}

/**
 * Compare the chosen rows of a stored state with those of a target. Changes nothing.
 *
 * @throws NightjarError `TABLE_UNKNOWN`, `QUERY_REFUSED`, `ROWS_TOO_MANY`, `RESTORE_UNAVAILABLE`,
 *   `TARGET_UNFIT`, `BACKUP_ENCRYPTED`; as `resolveTarget`, `openStored` and `runStatements`
 */
export async function planRows(
  context: Context,
  subject: Subject,
  request: RowsRequest,
): Promise<PlannedRows> {
  refuseEncrypted(subject);
  if ("manifest" in subject && subject.manifest.kind === "dump")
    throw new NightjarError(
      "RESTORE_UNAVAILABLE",
      `Backup ${subject.manifest.id} is a dump, in which rows cannot be found where it lies.`,
      {
        hint: "Choose a backup by pages or a moment, or restore the dump to a file and copy the rows.",
      },
    );
  const view = viewOf(subject);
  const target = await resolveTarget(context, request.target);
  const erasures =
    "manifest" in subject
      ? await erasuresOfBackup(context, subject.manifest)
      : await erasuresAt(context, view.database, earliestOf(subject.moment));
  const image = await openStored(context, subject, erasures);
  try {
    const planner = new Planner(context, image, target);
    await planner.choose(request.table, request.where);
    const missing = await planner.findParents(request.withParents);
    const tables = planner.tables();
    return { subject: view, target, tables, missing, digest: digestOf(tables) };
  } finally {
    image.close();
  }
}

/** Rows of one table of the plan. */
interface Planned {
  readonly source: KeyedTable;
  readonly target: TargetTable;
  /** The columns that are written, and the place of each among the source's. */
  readonly columns: readonly string[];
  readonly places: readonly number[];
  readonly parents: WrittenTable["parents"];
  readonly rows: WrittenRow[];
  readonly keys: Set<string>;
}

class Planner {
  readonly #context: Context;
  readonly #image: Image;
  readonly #target: Target;
  readonly #allowance: Allowance = { rows: MOST_ROWS, bytes: MOST_BYTES };
  #bytesThere = MOST_BYTES;
  /** By the lower name; parents come before what refers to them, as far as there is such an order. */
  readonly #tables = new Map<string, Planned>();
  readonly #known = new Map<string, TargetTable | undefined>();

  constructor(context: Context, image: Image, target: Target) {
    this.#context = context;
    this.#image = image;
    this.#target = target;
  }

  async choose(table: string, where: string): Promise<void> {
    const source = await this.#sourceTable(table);
    if (source === undefined)
      throw new NightjarError(
        "TABLE_UNKNOWN",
        `The restored state has no table ${table.slice(0, 200)} whose rows have a key.`,
      );
    const rows = await pickRows(this.#image, source, where, this.#allowance);
    if (rows.length > 0) await this.#add(source, rows);
  }

  tables(): WrittenTable[] {
    return [...this.#tables.values()]
      .map(({ target, columns, rows, parents }) => ({ table: target, columns, rows, parents }))
      .toReversed();
  }

  /**
   * Find the rows that planned ones refer to and that the target lacks, and plan them too if that is wanted.
   *
   * @returns those that stay missing
   */
  async findParents(withThem: boolean): Promise<MissingParent[]> {
    const missing: MissingParent[] = [];
    const looked = new Set<string>();
    for (let found = true; found;) {
      found = false;
      for (const planned of this.#tables.values())
        for (const key of planned.parents) {
          const wanted = this.#wantedBy(planned, key, looked);
          const there = await this.#arePresent(key, wanted);
          for (const [at, values] of wanted.entries()) {
            if (there[at] === true || (!withThem && missing.length >= NAMED)) continue;
            const parent = await this.#storedParent(key, values, withThem);
            if (withThem && parent !== undefined) {
              await this.#add(parent.source, [parent.row]);
              found = true;
            } else
              missing.push({
                table: key.parent,
                key: key.to.map((name, part) => [name, jsonOf(values[part]!)]),
                referredBy: planned.target.name,
                stored: parent !== undefined,
              });
          }
        }
    }
    return missing.slice(0, NAMED);
  }

  /** Return the keys that rows of a table newly refer to, those left out that planned rows have. */
  #wantedBy(
    { target, columns, rows }: Planned,
    { from, to, parent }: WrittenTable["parents"][number],
    looked: Set<string>,
  ): (readonly SqlValue[])[] {
    const places = from.map((name) => placeOf(columns, name));
    const parents = this.#tables.get(lowerName(parent));
    const keys = to.map((name) => placeOf(parents?.columns ?? [], name));
    const planned = new Set(
      keys.includes(-1)
        ? []
        : parents?.rows.map(({ values }) => printOf(keys.map((at) => values[at]!))),
    );
    return rows
      .filter(({ changed }) => places.some((at) => changed.includes(at)))
      .map(({ values }) => places.map((at) => values[at] ?? null))
      .filter((values) => {
        const print = printOf(values);
        const name = `${target.name}\0${parent}\0${from.join("\0")}\0${print}`;
        if (values.includes(null) || planned.has(print) || looked.has(name)) return false;
        looked.add(name);
        return true;
      });
  }

  async #arePresent(
    { parent, to }: WrittenTable["parents"][number],
    wanted: readonly (readonly SqlValue[])[],
  ): Promise<boolean[]> {
    if (wanted.length === 0 || (await this.#targetTable(parent)) === undefined) return [];
    return haveValues(this.#target.server, this.#context.deps, parent, to, wanted);
  }

  async #storedParent(
    { parent, to }: WrittenTable["parents"][number],
    values: readonly SqlValue[],
    isPlanned: boolean,
  ): Promise<{ source: KeyedTable; row: PickedRow } | undefined> {
    const source = await this.#sourceTable(parent);
    if (source === undefined) return undefined;
    if (to.some((name) => !source.names.some((one) => lowerName(one) === lowerName(name))))
      return undefined;
    const allowance = isPlanned ? this.#allowance : { rows: 1, bytes: MOST_BYTES };
    const row = await pickRow(this.#image, source, to, values, allowance);
    return row && { source, row };
  }

  #sourceTable(name: string): Promise<KeyedTable | undefined> {
    return readKeyedTable(this.#image, name);
  }

  async #targetTable(name: string): Promise<TargetTable | undefined> {
    const lower = lowerName(name);
    if (!this.#known.has(lower)) {
      const { server } = this.#target;
      this.#known.set(lower, await readTargetTable(server, this.#context.deps, name));
    }
    return this.#known.get(lower);
  }

  /** Compare rows with the target's, and plan them. */
  async #add(source: KeyedTable, rows: readonly PickedRow[]): Promise<void> {
    const planned = this.#tables.get(lowerName(source.table.name)) ?? (await this.#open(source));
    const { target, columns, places, keys } = planned;
    refuseLost(source, target, columns, rows);
    const fresh = rows.filter(({ key }) => {
      refuseNull(source, key);
      const print = printOf(key);
      return !keys.has(print) && keys.add(print);
    });
    const wanted = { table: target, columns, keys: fresh.map(({ key }) => key) };
    const { server } = this.#target;
    const there = await readTargetRows(server, this.#context.deps, wanted, this.#bytesThere);
    for (const [at, { key, values: all }] of fresh.entries()) {
      const values = places.map((place) => all[place]!);
      const before = there[at];
      this.#bytesThere -= before?.reduce<number>((sum, value) => sum + sizeOf(value), 0) ?? 0;
      const changed = values.flatMap((value, column) =>
        before !== undefined && isSameValue(value, before[column]!) ? [] : [column],
      );
      planned.rows.push({ key, values, before, changed });
    }
  }

  /** Match the columns and the keys of a table on both sides. */
  async #open(source: KeyedTable): Promise<Planned> {
    const { name } = source.table;
    const target = await this.#targetTable(name);
    if (target === undefined)
      throw new NightjarError("TARGET_UNFIT", `The target has no table ${name}.`);
    if (target.triggers.length > 0)
      throw new NightjarError(
        "TARGET_UNFIT",
        `Triggers of the target would run on every row of ${name}: ${target.triggers.join(", ")}.`,
        { hint: "Drop them, restore the rows, and create them again." },
      );
    const isHidden = !target.columns.some(
      (column) => lowerName(column) === lowerName(target.key[0]!),
    );
    const same = source.key.map(lowerName).join("\0") === target.key.map(lowerName).join("\0");
    if (isHidden !== source.byRowid || !same)
      throw new NightjarError(
        "TARGET_UNFIT",
        `The key of ${name} is another one in the target: ${target.key.join(", ")}, and not ${source.key.join(", ")}.`,
      );
    const pairs = source.columns.flatMap(({ name: column }, place) => {
      const own = target.columns.find((one) => lowerName(one) === lowerName(column));
      return own === undefined ? [] : [{ own, place }];
    });
    const planned: Planned = {
      ...{ source, target, rows: [], keys: new Set<string>() },
      columns: pairs.map(({ own }) => own),
      places: pairs.map(({ place }) => place),
      parents: await this.#parentsOf(target),
    };
    this.#tables.set(lowerName(name), planned);
    return planned;
  }

  /** Return the foreign keys of a table, each with the columns of its parent. */
  async #parentsOf({ foreignKeys }: TargetTable): Promise<WrittenTable["parents"]> {
    const parents: (ForeignKey & { to: readonly string[] })[] = [];
    for (const key of foreignKeys) {
      // Of a table that is not there, every row is missing.
      const to = key.to ?? (await this.#targetTable(key.parent))?.key ?? key.from;
      if (to.length === key.from.length) parents.push({ ...key, to });
    }
    return parents;
  }
}

/** Refuse rows with values in columns that the target does not have. */
function refuseLost(
  source: KeyedTable,
  target: TargetTable,
  columns: readonly string[],
  rows: readonly PickedRow[],
): void {
  const lost = source.columns
    .map(({ name }, at) => ({ name, at }))
    .filter(({ name }) => placeOf(columns, name) === -1)
    .filter(({ at }) => rows.some(({ values }) => values[at] !== null));
  if (lost.length === 0) return;
  const names = lost.map(({ name }) => name).join(", ");
  throw new NightjarError(
    "TARGET_UNFIT",
    `Rows have values in columns that ${target.name} of the target does not have: ${names}.`,
    { hint: "Add the columns there, or restore the rows to a file and copy what you want." },
  );
}

function refuseNull({ table }: KeyedTable, key: readonly SqlValue[]): void {
  if (!key.includes(null)) return;
  throw new NightjarError(
    "RESTORE_UNAVAILABLE",
    `A chosen row of ${table.name} has NULL in its primary key, and cannot be found by it in the target.`,
    { hint: "Leave it out by `where`." },
  );
}

function placeOf(columns: readonly string[], name: string): number {
  return columns.findIndex((column) => lowerName(column) === lowerName(name));
}

function sizeOf(value: SqlValue): number {
  if (value === null || typeof value !== "object") return 8;
  return value instanceof Uint8Array ? value.length : value.text.length;
}

/** Return a text that is the same for the same values only. */
function printOf(values: readonly SqlValue[]): string {
  return JSON.stringify(values.map(jsonOf));
}

function digestOf(tables: readonly WrittenTable[]): string {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const lines = tables.flatMap(({ table, columns, rows }) =>
    rows.map(({ key, values, before = null }) => {
      const parts = [key, values, before].map((one) => one?.map(jsonOf) ?? null);
      return sha256(JSON.stringify([table.name, columns, parts]));
    }),
  );
  return sha256(lines.toSorted().join("\n"));
}
