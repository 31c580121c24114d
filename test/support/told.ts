/** Everything in a database as an engine reads it: lines of its schema and its versions, and rows by table. */
export interface Told {
  readonly schema: string[];
  readonly rows: Record<string, string[]>;
  /** Answers to further queries. */
  readonly answers: string[];
}

/** Answers statements, each with its rows; undefined for one that fails. A cell is a type and a value. */
export type Ask = (statements: readonly string[]) => Promise<(string[][] | undefined)[]>;

const SCHEMA =
  "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
/** Tables with rows of their own that are not what Turso's engine derives. */
const TABLES = `SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage <> 0
  AND name NOT LIKE '\\_\\_turso\\_internal%' ESCAPE '\\' ORDER BY name`;
const VERSIONS = ["user_version", "application_id"] as const;

/**
 * Read everything: every row with its rowid, types, bits and bytes, and the answers to queries.
 *
 * @throws Error for what cannot be read
 */
export async function tell(ask: Ask, queries: readonly string[] = []): Promise<Told> {
  const first = await ask([SCHEMA, TABLES, ...VERSIONS.map((name) => `PRAGMA ${name}`)]);
  const [schema, names, ...versions] = first.map((rows) => rows ?? refuse("the schema"));
  const tables = names!.map(([cell]) => textOf(cell!));
  // A table WITHOUT ROWID has none to select.
  const withRowids = await ask(tables.map((table) => rowsSql(table, "rowid, *")));
  const rows: Record<string, string[]> = {};
  for (const [at, table] of tables.entries()) {
    const found = withRowids[at] ?? (await ask([rowsSql(table, "*")]))[0] ?? refuse(table);
    rows[table] = found.map((row) => row.join(" ")).toSorted();
  }
  // The first query of a materialized view after a start of tursodb 0.6.0 leaves rows out.
  await ask(queries);
  const answers = (await ask(queries)).map((found, at) => found ?? refuse(queries[at]!));
  return {
    answers: answers.map((found) => JSON.stringify(found.map((row) => row.join(" ")).toSorted())),
    schema: [
      ...schema!.map((row) => row.map(textOf).join(" | ")),
      ...versions.map((value, at) => `${VERSIONS[at]} ${value.join()}`),
    ],
    rows,
  };
}

/** Return how many rows were told. */
export function countRows({ rows }: Told): number {
  return Object.values(rows).reduce((sum, { length }) => sum + length, 0);
}

export const cells = {
  none: "null",
  integer: (value: bigint | string) => `i${value}`,
  /** JSON has no number for infinities, and tursodb gives null for both. */
  real: (value: number | null) =>
    `r${value === null || !Number.isFinite(value) ? "±Infinity" : bitsOf(value)}`,
  text: (value: string) => `t${Buffer.from(value).toString("hex")}`,
  blob: (value: Uint8Array) => `b${Buffer.from(value).toString("hex")}`,
};

function rowsSql(table: string, list: string): string {
  return `SELECT ${list} FROM main."${table.replaceAll('"', '""')}"`;
}

function textOf(cell: string): string {
  return Buffer.from(cell.slice(1), "hex").toString();
}

function bitsOf(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
}

function refuse(what: string): never {
  throw new Error(`${what} cannot be read`);
}
