import { quoteName } from "../format/sql/quote.ts";
import type { SchemaObject } from "../sqlite/tables.ts";

/**
 * Return statements that drop everything: triggers and views, which name tables; virtual tables before the
 * tables that have their content, which are dropped with them; vector indexes before theirs.
 */
export function dropAll(objects: readonly SchemaObject[]): string[] {
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
