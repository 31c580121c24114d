import { moduleOf, type ModuleOption, optionsOf } from "./virtual-module.ts";

const RTREE: readonly string[] = ["node", "rowid", "parent"];
/**
 * The options of FTS5. It accepts any beginning of a name, for the first of these that has it
 * (fts5ConfigParseSpecial).
 */
const FTS5_OPTIONS = [
  "prefix",
  "tokenize",
  "content",
  "contentless_delete",
  "contentless_unindexed",
  "content_rowid",
  "columnsize",
];

/** The tables that each module makes for a virtual table, by its options. */
const SHADOWS: Readonly<Record<string, (options: readonly ModuleOption[]) => readonly string[]>> = {
  fts3: () => ["content", "segments", "segdir"],
  fts4: fts4Shadows,
  fts5: fts5Shadows,
  // It reads the words of an FTS5 table, and keeps nothing.
  fts5vocab: () => [],
  geopoly: () => RTREE,
  rtree: () => RTREE,
  rtree_i32: () => RTREE,
};

/** Return true if the tables that the module makes are known. */
export function isKnownModule(module: string): boolean {
  return Object.hasOwn(SHADOWS, module);
}

/**
 * Return the tables that a virtual table's module makes together with it, to keep its content in: the parts
 * of their names after `<name>_`. There are none for a module that is not known, and for anything but a
 * virtual table. A table that only has such a name is not among them: with `content=…` FTS keeps no content
 * of its own.
 */
export function shadowsOf(sql: string): readonly string[] {
  const module = moduleOf(sql);
  if (module === undefined || !isKnownModule(module)) return [];
  return SHADOWS[module]!(optionsOf(sql));
}

/** Return the virtual table of each shadow table in a schema, by the shadow's name. */
export function shadowOwners(
  schema: readonly { readonly name: string; readonly sql: string | null }[],
): Map<string, string> {
  const owners = new Map<string, string>();
  for (const { name, sql } of schema)
    for (const suffix of shadowsOf(sql ?? "")) owners.set(`${name}_${suffix}`, name);
  return owners;
}

function fts4Shadows(options: readonly ModuleOption[]): string[] {
  const value = (key: string) => options.find((option) => option.key === key)?.value;
  const shadows = ["segments", "segdir", "stat"];
  if (value("content") === undefined) shadows.push("content");
  if (value("matchinfo")?.toLowerCase() !== "fts3") shadows.push("docsize");
  return shadows;
}

function fts5Shadows(options: readonly ModuleOption[]): string[] {
  const value = (name: string) =>
    options.findLast(({ key }) => FTS5_OPTIONS.find((known) => known.startsWith(key)) === name)
      ?.value;
  const shadows = ["data", "idx", "config"];
  if (value("content") === undefined || value("contentless_unindexed") === "1")
    shadows.push("content");
  if (value("columnsize") !== "0") shadows.push("docsize");
  return shadows;
}
