import { type Selection, selects } from "../../format/tables/selection.ts";
import type { SchemaObject, Table } from "../tables.ts";

/** An object of the schema that only one side has, or that has another text on each. */
export interface ObjectChange {
  readonly change: "added" | "removed" | "changed";
  readonly type: SchemaObject["type"];
  readonly name: string;
  readonly table: string;
  /** The text before; null if there was none. */
  readonly from: string | null;
  readonly to: string | null;
}

/** One side of a comparison. */
export interface Schema {
  readonly objects: readonly SchemaObject[];
  readonly tables: readonly Table[];
}

/** Return what distinguishes an object from all others of its schema. */
export function idOf({ type, name }: Pick<SchemaObject, "type" | "name">): string {
  return `${type} ${name}`;
}

/**
 * Return true if two objects are the same, wherever they are stored. White space at the end of the text does
 * not count, as it can change when SQL is loaded.
 */
export function isSameObject(a: SchemaObject, b: SchemaObject): boolean {
  return idOf(a) === idOf(b) && a.table === b.table && textOf(a) === textOf(b);
}

const textOf = ({ sql }: SchemaObject): string | null => sql?.trimEnd() ?? null;

/**
 * Return the objects that users made and that are selected: without what SQLite, libSQL and the modules of
 * virtual tables make by themselves.
 */
export function madeObjects({ objects, tables }: Schema, selection: Selection): SchemaObject[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  return objects.filter(({ type, name, table, sql }) => {
    if (sql === null || /^sqlite_/i.test(name)) return false;
    if (type === "view") return selection.tables === undefined;
    const owner = byName.get(table);
    if (owner?.kind === "shadow" || owner?.kind === "vector-shadow") return false;
    return selects(selection, table);
  });
}

/** Compare two schemas: what was removed, changed and added, each in the order in which it was made. */
export function compareSchemas(
  before: Schema,
  after: Schema,
  selection: Selection,
): ObjectChange[] {
  const [made, makes] = [madeObjects(before, selection), madeObjects(after, selection)];
  const old = new Map(made.map((object) => [idOf(object), object]));
  const now = new Map(makes.map((object) => [idOf(object), object]));
  const removed = made.filter((object) => !now.has(idOf(object)));
  return [
    ...removed.map((object) => changeOf(object, undefined)),
    ...makes.flatMap((object) => {
      const was = old.get(idOf(object));
      return was !== undefined && isSameObject(was, object) ? [] : [changeOf(was, object)];
    }),
  ];
}

function changeOf(was: SchemaObject | undefined, is: SchemaObject | undefined): ObjectChange {
  const { type, name, table } = (is ?? was)!;
  const change = was === undefined ? "added" : is === undefined ? "removed" : "changed";
  return { change, type, name, table, from: was?.sql ?? null, to: is?.sql ?? null };
}
