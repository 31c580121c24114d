import { encode } from "../format/bytes/bytes.ts";
import { quoteName } from "../format/sql/quote.ts";
import type { SchemaObject } from "../sqlite/tables.ts";
import type { TargetState } from "./inspect.ts";
import { type Marker, nameTables } from "./marker.ts";
import type { Steps } from "./steps.ts";

/**
 * Remove from a marked target what an unfinished restore has left there, or, with `overwrites`, all that it
 * holds; each object in a step of its own.
 *
 * @param tables as the marker is to name them from then on
 * @param onObject is called with the number of objects that are gone
 * @throws NightjarError as `Steps.write`
 */
export async function wipeTarget(
  steps: Steps,
  { begun, objects }: TargetState,
  { tables, overwrites }: Pick<Marker, "tables"> & { readonly overwrites: boolean },
  onObject: (objects: number) => Promise<void>,
): Promise<void> {
  const left = begun?.tables;
  const statements =
    begun === undefined && !overwrites
      ? []
      : left != null
        ? left.map((name) => `DELETE FROM ${quoteName(name)};\n`)
        : dropAll(objects);
  let gone = 0;
  for (const statement of statements) {
    await steps.write([encode(statement)]);
    await onObject(++gone);
  }
  if (begun !== undefined) await steps.write([encode(nameTables(tables))]);
}

/**
 * Return statements that drop everything: triggers and views, which name tables; virtual tables before the
 * tables that have their content, which are dropped with them; vector indexes before theirs.
 */
function dropAll(objects: readonly SchemaObject[]): string[] {
  const of = (wanted: (object: SchemaObject) => boolean, what: string) =>
    objects.filter(wanted).map(({ name }) => `DROP ${what} IF EXISTS ${quoteName(name)};\n`);
  const virtual = ({ type, rootpage }: SchemaObject) => type === "table" && rootpage === 0;
  return [
    ...of(({ type }) => type === "trigger", "TRIGGER"),
    ...of(({ type }) => type === "view", "VIEW"),
    ...of(virtual, "TABLE"),
    ...of(({ type, sql }) => type === "index" && sql !== null, "INDEX"),
    ...of((object) => object.type === "table" && !virtual(object), "TABLE"),
  ];
}
