import type { JsonValue } from "../../format/rows/json-value.ts";
import { lowerName } from "../../format/tables/selection.ts";
import type { FoundRow } from "../../sqlite/rows/find-row.ts";

/** A column's name, its value before, and after. */
export type ChangedColumn = readonly [name: string, before: JsonValue, after: JsonValue];

/** Return the columns that differ between two states of a row. A column that a state lacks is NULL there. */
export function changedColumns(before: FoundRow, after: FoundRow): ChangedColumn[] {
  const old = valuesOf(before);
  const changed: ChangedColumn[] = [];
  for (const [at, name] of after.names.entries()) {
    const value = after.values[at] ?? null;
    const was = old.get(lowerName(name)) ?? null;
    old.delete(lowerName(name));
    if (!isSame(was, value)) changed.push([name, was, value]);
  }
  for (const [at, name] of before.names.entries())
    if (old.has(lowerName(name)) && before.values[at] !== null)
      changed.push([name, before.values[at]!, null]);
  return changed;
}

/** Return the values of a row as pairs of a name and a value. */
export function pairsOf({ names, values }: FoundRow): [string, JsonValue][] {
  return names.map((name, at) => [name, values[at]!]);
}

function valuesOf({ names, values }: FoundRow): Map<string, JsonValue> {
  return new Map(names.map((name, at) => [lowerName(name), values[at]!]));
}

function isSame(a: JsonValue, b: JsonValue): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
