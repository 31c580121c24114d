/** The parts of a format. */
interface Parts {
  readonly content: "db" | "sql" | "ndjson" | "json" | "csv" | "parquet";
  readonly coding?: "gz" | "zst";
  readonly encrypted?: true;
  /** The only reader of the SQL; undefined if every SQLite reads it. */
  readonly reader?: "libsql";
}

const PARTS = {
  db: { content: "db" },
  "db.zst": { content: "db", coding: "zst" },
  "db.zst.age": { content: "db", coding: "zst", encrypted: true },
  sql: { content: "sql" },
  "sql.gz": { content: "sql", coding: "gz" },
  "sql.zst": { content: "sql", coding: "zst" },
  "sql.zst.age": { content: "sql", coding: "zst", encrypted: true },
  "libsql.sql": { content: "sql", reader: "libsql" },
  "libsql.sql.gz": { content: "sql", coding: "gz", reader: "libsql" },
  "libsql.sql.zst": { content: "sql", coding: "zst", reader: "libsql" },
  ndjson: { content: "ndjson" },
  "ndjson.gz": { content: "ndjson", coding: "gz" },
  json: { content: "json" },
  "json.gz": { content: "json", coding: "gz" },
  csv: { content: "csv" },
  "csv.gz": { content: "csv", coding: "gz" },
  parquet: { content: "parquet" },
} as const satisfies Record<string, Parts>;

/** Every format that a database can be delivered in; the stored form decides which of them are available. */
export type Format = keyof typeof PARTS;
export const FORMATS = Object.keys(PARTS) as readonly Format[];

/** Return the parts of a format. */
export function partsOf(format: Format): Parts {
  return PARTS[format];
}

/** Formats of rows alone, of all tables or of some. */
export const ROW_FORMATS = FORMATS.filter((format) =>
  ["ndjson", "json", "csv", "parquet"].includes(PARTS[format].content),
);

/** Return true if a file of this format has the rows of exactly one table. */
export function isOfOneTable(format: Format): boolean {
  return ["csv", "parquet"].includes(PARTS[format].content);
}

/** The facts of a stored backup that decide its formats. */
export interface StoredForm {
  readonly kind: "dump" | "snapshot";
  readonly encrypted: boolean;
  /** Encoding of its text; UTF-8 if undefined. */
  readonly encoding?: string | undefined;
  /** True if SQLite cannot open the database. */
  readonly tursoOnly?: boolean | undefined;
}

/** Return the stored form that a manifest describes. */
export function storedForm({
  kind,
  encryption,
  snapshot,
  warnings,
}: {
  readonly kind: "dump" | "snapshot";
  readonly encryption?: unknown;
  readonly snapshot?: { readonly encoding?: string } | null;
  readonly warnings?: readonly { readonly code: string }[];
}): StoredForm {
  const tursoOnly = warnings?.some(({ code }) => code === "TURSO_ONLY");
  return { kind, encrypted: encryption !== undefined, encoding: snapshot?.encoding, tursoOnly };
}

/**
 * List the formats of a stored backup, the stored form first; an encrypted one has that form alone. A
 * moment of the log has the formats of a snapshot. A dump's SQL is the server's own: it is libSQL's
 * already. SQL, and rows, are written only of databases in UTF-8 that SQLite opens.
 */
export function formatsOf({
  kind,
  encrypted,
  encoding = "UTF-8",
  tursoOnly = false,
}: StoredForm): readonly Format[] {
  if (encrypted) return [kind === "dump" ? "sql.zst.age" : "db.zst.age"];
  if (kind === "dump") return ["sql.zst", "sql.gz", "sql"];
  const files: readonly Format[] = ["db.zst", "db"];
  if (encoding !== "UTF-8" || tursoOnly) return files;
  const sql: readonly Format[] = ["sql.gz", "sql", "sql.zst"];
  return [...files, ...sql, "libsql.sql.gz", "libsql.sql", "libsql.sql.zst", ...ROW_FORMATS];
}

/** Return the format in which a backup is stored in the bucket. */
export function storedFormat(kind: "dump" | "snapshot", encrypted: boolean): Format {
  return formatsOf({ kind, encrypted })[0]!;
}
