import type { Comparison, SettingChange, TablePair } from "./comparison.ts";
import type { RowCounts, RowVisitor } from "./merge-rows.ts";
import type { ObjectChange } from "./schema-changes.ts";
import type { Matching } from "./shape.ts";

/** A table with rows that differ, or that only one side has. */
export interface TableChange extends RowCounts {
  readonly name: string;
  readonly change: "added" | "removed" | "changed";
  /** The virtual table that it holds the content of. */
  readonly owner: string | null;
  readonly matching: Matching;
  /** Columns that only one side has. They make no row a changed one. */
  readonly newColumns: readonly string[];
  readonly lostColumns: readonly string[];
}

/** What differs, without the rows. */
export interface Summary {
  readonly different: boolean;
  readonly objects: readonly ObjectChange[];
  readonly settings: readonly SettingChange[];
  readonly tables: readonly TableChange[];
  /** Number of tables that were compared. */
  readonly compared: number;
}

/** Passes over the rows. */
const NOTHING: RowVisitor = { added() {}, removed() {}, changed() {}, full: false };

/** Compare everything, and count the rows that differ. @throws NightjarError as `compareRows` */
export async function summarize(comparison: Comparison): Promise<Summary> {
  const steps = compareTables(comparison, NOTHING);
  for (;;) {
    const step = await steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Compare everything, the rows of one table after the other. Yields whenever the visitor should pass on what
 * it has.
 */
export async function* compareTables(
  comparison: Comparison,
  visitor: RowVisitor,
): AsyncGenerator<void, Summary> {
  const { objects, settings, pairs } = comparison;
  const tables: TableChange[] = [];
  for (const pair of pairs) {
    const counts = yield* comparison.compareRows(pair, visitor);
    const change = changeOf(pair, counts);
    if (change !== undefined) tables.push(change);
  }
  const different = objects.length + settings.length + tables.length > 0;
  return { different, objects, settings, tables, compared: pairs.length };
}

function changeOf(
  { name, before, after, matching }: TablePair,
  counts: RowCounts,
): TableChange | undefined {
  const { owner } = (after ?? before)!.table;
  const change = before === undefined ? "added" : after === undefined ? "removed" : "changed";
  const [old, now] = [before?.plan.names ?? [], after?.plan.names ?? []];
  const isMissing = (names: readonly string[]) => (column: string) =>
    !names.some((one) => one.toLowerCase() === column.toLowerCase());
  const newColumns = change === "changed" ? now.filter(isMissing(old)) : [];
  const lostColumns = change === "changed" ? old.filter(isMissing(now)) : [];
  const differs = counts.added + counts.removed + counts.changed > 0;
  if (change === "changed" && !differs && newColumns.length + lostColumns.length === 0)
    return undefined;
  return { name, change, owner, matching, ...counts, newColumns, lostColumns };
}
