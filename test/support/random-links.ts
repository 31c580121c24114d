import fc from "fast-check";
import type { Reference, Subset } from "../../src/format/masks/subset.ts";
import { parseRoot } from "../../src/format/masks/subset.ts";

/** How the rows of a table are identified. */
const KEYS = ["rowid", "text", "nocase", "clustered", "pair", "clustered pair", "index"] as const;
type Key = (typeof KEYS)[number];

interface Column {
  readonly name: string;
  readonly type: "INTEGER" | "TEXT" | "";
  readonly nocase?: boolean;
}
type Value = string | number | null;

/** The columns of a table's key, of which a row has the values of one number. */
const KEY_COLUMNS: Readonly<Record<Key, readonly Column[]>> = {
  rowid: [{ name: "id", type: "INTEGER" }],
  text: [{ name: "code", type: "TEXT" }],
  nocase: [{ name: "code", type: "TEXT", nocase: true }],
  clustered: [{ name: "code", type: "TEXT" }],
  pair: [
    { name: "a", type: "INTEGER" },
    { name: "b", type: "TEXT", nocase: true },
  ],
  "clustered pair": [
    { name: "a", type: "INTEGER" },
    { name: "b", type: "TEXT" },
  ],
  index: [{ name: "code", type: "TEXT" }],
};

/** A value for a key: also texts of numbers, which a column of integers converts, not all of them back. */
const keyValue = ({ type }: Column, number: number): Value =>
  type === "INTEGER"
    ? 100_000 + number
    : [`Key-${number}`, `1234${number}`, `01234${number}`][number % 3]!;

const table = fc.record({
  key: fc.constantFrom(...KEYS),
  rows: fc.uniqueArray(fc.nat(9), { maxLength: 8 }),
});
/** A foreign key: the child's and the parent's place, and for each row of the child the number that it names. */
const link = fc.record({
  child: fc.nat(9),
  parent: fc.nat(9),
  declared: fc.boolean(),
  indexed: fc.boolean(),
  type: fc.constantFrom("same", "INTEGER", "TEXT", ""),
  names: fc.array(fc.option(fc.nat(10), { freq: 6 }), { minLength: 10, maxLength: 10 }),
  upper: fc.boolean(),
  /** The collation of the child's columns of text: the parent's counts. */
  nocase: fc.boolean(),
});
export const randomLinks = fc.record({
  tables: fc.array(table, { minLength: 2, maxLength: 5 }),
  links: fc.array(link, { maxLength: 8 }),
  root: fc.nat(9),
  chosen: fc.uniqueArray(fc.nat(9), { maxLength: 3 }),
  most: fc.integer({ min: 1, max: 3 }),
  dropped: fc.option(fc.nat(9), { freq: 3 }),
  fullText: fc.boolean(),
  masked: fc.boolean(),
});
type RandomLinks = typeof randomLinks extends fc.Arbitrary<infer T> ? T : never;

interface Row {
  /** A text that only this row has. */
  readonly mark: string;
  readonly secret: string;
  readonly values: Map<string, Value>;
}
interface ModelTable {
  readonly name: string;
  readonly key: Key;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}
interface ModelLink {
  readonly child: ModelTable;
  readonly from: readonly Column[];
  readonly parent: ModelTable;
  readonly to: readonly Column[];
  readonly declared: boolean;
}

const sqlOf = (value: Value) => (typeof value === "string" ? `'${value}'` : String(value));

/** The value that a column stores (https://sqlite.org/datatype3.html). */
function stored({ type }: Column, value: Value): Value {
  if (type === "INTEGER" && typeof value === "string" && /^\d+$/.test(value)) return Number(value);
  return type === "TEXT" && value !== null ? String(value) : value;
}

/** A database of random tables with foreign keys, and the rows that a subset of it has to have. */
export class RandomDatabase {
  readonly tables: readonly ModelTable[];
  readonly links: readonly ModelLink[];
  readonly statements: readonly string[];
  readonly subset: Subset;
  /** The table of which no rows are given. */
  readonly dropped: ModelTable | undefined;
  readonly #root: ModelTable;
  readonly #chosen: readonly Row[];

  constructor({ tables, links, root, chosen, most, dropped, fullText, masked }: RandomLinks) {
    const specs = fullText ? [...tables, { key: "rowid" as const, rows: [1, 2, 3] }] : tables;
    const isIndex = (at: number) => fullText && at === specs.length - 1;
    const extra = specs.map((): Column[] => []);
    const values = specs.map(({ rows }) => rows.map((): [string, Value][] => []));
    const planned = links.flatMap(
      ({ child, parent, declared, type, names, upper, nocase, ...rest }, n) => {
        const [own, other] = [child % tables.length, parent % tables.length];
        const to = KEY_COLUMNS[specs[other]!.key];
        if (!declared && to.length > 1) return [];
        const from = to.map((column, at): Column => {
          // Masks of values of two types are not equal, and neither are those of two cases.
          const ownType = masked || type === "same" ? column.type : type;
          return { name: `f${n}_${at}`, type: ownType, nocase };
        });
        extra[own]!.push(...from);
        specs[own]!.rows.forEach((_, row) => {
          const number = names[row % names.length]!;
          from.forEach((column, at) => {
            const value = number === null ? null : keyValue(to[at]!, number);
            const isUpper = upper && !masked && typeof value === "string";
            const given = isUpper ? value.toUpperCase() : value;
            values[own]![row]!.push([column.name, stored(column, given)]);
          });
        });
        return [{ own, other, from, to, declared, ...rest }];
      },
    );
    this.tables = specs.map(({ key, rows }, at) => ({
      ...{ name: isIndex(at) ? "found" : `t${at}`, key },
      columns: [...(isIndex(at) ? [] : KEY_COLUMNS[key]), ...extra[at]!],
      rows: rows.map((number, row) => ({
        ...{ mark: `mark-${at}-${number}-!`, secret: `Secret-${at}-of-${number}` },
        values: new Map([
          ...KEY_COLUMNS[key].map((column) => [column.name, keyValue(column, number)] as const),
          ...values[at]![row]!,
        ]),
      })),
    }));
    this.links = planned.map(({ own, other, from, to, declared }) => ({
      ...{ child: this.tables[own]!, from, parent: this.tables[other]!, to, declared },
    }));
    const [id] = KEY_COLUMNS.rowid;
    const rowids = this.tables.filter(({ key, name }) => key === "rowid" && name !== "found");
    if (fullText && rowids.length > 0)
      this.links = [
        ...this.links,
        {
          ...{ child: this.tables.at(-1)!, from: [id!], parent: rowids[0]!, to: [id!] },
          declared: false,
        },
      ];
    this.statements = [
      ...this.tables.map((one) => this.#create(one)),
      ...planned.flatMap(({ own, from, indexed }, n) =>
        indexed ? [`CREATE INDEX i${n} ON t${own}(${from.map(({ name }) => name).join(",")})`] : [],
      ),
      ...this.tables.flatMap(({ name, columns, rows }) =>
        rows.map(({ mark, secret, values: of }) => {
          const named = name === "found" ? ["rowid"] : columns.map((column) => column.name);
          const own = name === "found" ? [of.get("id")!] : named.map((column) => of.get(column)!);
          return `INSERT INTO ${name}(${[...named, "mark", "secret"].join(",")}) VALUES (${[...own, mark, secret].map(sqlOf).join(",")})`;
        }),
      ),
    ];

    const roots = this.tables.filter(({ key, name }) => !key.includes("pair") && name !== "found");
    const unlucky = { name: "none", key: "rowid", columns: [], rows: [] } as const;
    this.#root = roots[root % roots.length] ?? unlucky;
    const [column] = KEY_COLUMNS[this.#root.key];
    const picked = this.#root.rows.filter((_, at) => chosen.includes(at));
    this.#chosen = picked.toSorted((a, b) => (a.mark < b.mark ? 1 : -1)).slice(0, most);
    const marks = picked.map(({ mark }) => sqlOf(mark)).join(",");
    const sql = `SELECT ${column!.name} FROM ${this.#root.name} AS x WHERE mark IN (${marks}) ORDER BY mark DESC`;
    this.subset = { root: parseRoot(sql)!, rows: most, references: this.#references() };
    const others = this.tables.filter((one) => one !== this.#root);
    this.dropped = dropped === null ? undefined : others[dropped % others.length];
  }

  /** True if a column can say which rows the subset begins with. */
  get hasRoot(): boolean {
    return this.#root.name !== "none";
  }

  /** The rules: marks are kept, and keys unless they are masked. */
  rulesFor(masked: boolean): Record<string, "drop" | Record<string, string>> {
    return Object.fromEntries(
      this.tables.map((one) => {
        const key = masked ? "hash" : "keep";
        const columns = one.name === "found" ? ["rowid"] : one.columns.map(({ name }) => name);
        const rules = Object.fromEntries(columns.map((column) => [column, key]));
        return [
          one.name,
          one === this.dropped ? "drop" : { ...rules, mark: "keep", secret: "fake: text" },
        ];
      }),
    );
  }

  /** The marks of the rows that are given, by table. */
  given(): Map<string, Set<string>> {
    const links = this.links.filter(
      ({ child, parent }) => child !== this.dropped && parent !== this.dropped,
    );
    const connected = new Set([this.#root]);
    for (const one of connected)
      for (const { child, parent } of links) {
        if (child === one) connected.add(parent);
        if (parent === one) connected.add(child);
      }
    const below = new Set(this.#chosen);
    for (const row of below)
      for (const { child, parent, ...rest } of links)
        if (child !== parent && parent.rows.includes(row))
          for (const other of child.rows) if (refers(rest, other, row)) below.add(other);
    const kept = new Set(below);
    for (const row of kept)
      for (const { child, parent, ...rest } of links)
        if (child.rows.includes(row))
          for (const other of parent.rows) if (refers(rest, row, other)) kept.add(other);
    return new Map(
      this.tables.map((one) => {
        const rows = one.rows.filter((row) => kept.has(row) || !connected.has(one));
        return [one.name, new Set((one === this.dropped ? [] : rows).map(({ mark }) => mark))];
      }),
    );
  }

  #references(): Reference[] {
    return this.links
      .filter(({ declared }) => !declared)
      .map(({ child, from, parent, to }) => ({
        from: { table: child.name, column: child.name === "found" ? "rowid" : from[0]!.name },
        to: { table: parent.name, column: to[0]!.name },
      }));
  }

  #create({ name, key, columns }: ModelTable): string {
    if (name === "found") return "CREATE VIRTUAL TABLE found USING fts5(mark, secret)";
    const own = KEY_COLUMNS[key].map((column) => column.name).join(",");
    const isOne = key === "rowid";
    const list = columns.map(
      ({ name: column, type, nocase }) =>
        `${column} ${type}${nocase === true ? " COLLATE NOCASE" : ""}${isOne && column === "id" ? " PRIMARY KEY" : ""}`,
    );
    const primary = isOne || key === "index" ? [] : [`PRIMARY KEY(${own})`];
    const foreign = this.links
      .filter(({ child, declared }) => declared && child.name === name)
      .map(
        ({ from, parent, to }) =>
          `FOREIGN KEY(${from.map((one) => one.name).join(",")}) REFERENCES ${parent.name}(${to.map((one) => one.name).join(",")})`,
      );
    const sql = `CREATE TABLE ${name}(${[...list, "mark TEXT", "secret TEXT", ...primary, ...foreign].join(", ")})`;
    const options = key.startsWith("clustered") ? " WITHOUT ROWID" : "";
    return `${sql}${options};${key === "index" ? `CREATE UNIQUE INDEX u_${name} ON ${name}(code)` : ""}`;
  }
}

/** Compare as SQLite compares foreign keys: as the parent's column stores and compares values. */
export function refers(
  { from, to }: Pick<ModelLink, "from" | "to">,
  child: Row,
  parent: Row,
): boolean {
  return from.every((column, at) => {
    const other = to[at]!;
    const given = stored(other, child.values.get(column.name)!);
    const wanted = parent.values.get(other.name)!;
    if (given === null) return false;
    return other.nocase === true && typeof given === "string" && typeof wanted === "string"
      ? given.toLowerCase() === wanted.toLowerCase()
      : given === wanted;
  });
}
