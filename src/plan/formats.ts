/** What a format is made of. */
interface Parts {
  readonly content: "db" | "sql";
  readonly coding?: "gz" | "zst";
  readonly encrypted?: true;
  /** Who is to read the SQL, where that is not every SQLite. */
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
} as const satisfies Record<string, Parts>;

/** Everything that a database can be had as; which of them depends on what is stored. */
export type Format = keyof typeof PARTS;
export const FORMATS = Object.keys(PARTS) as readonly Format[];

/** What a format is made of. */
export function partsOf(format: Format): Parts {
  return PARTS[format];
}

/**
 * What a stored backup gives, the stored form first: of an encrypted one, that alone. A moment of the log
 * gives what a snapshot does. A dump's SQL is the server's own: it is libSQL's already.
 */
export function formatsOf(kind: "dump" | "snapshot", encrypted: boolean): readonly Format[] {
  if (encrypted) return [kind === "dump" ? "sql.zst.age" : "db.zst.age"];
  return kind === "dump"
    ? ["sql.zst", "sql.gz", "sql"]
    : ["db.zst", "db", "sql.gz", "sql", "sql.zst", "libsql.sql.gz", "libsql.sql", "libsql.sql.zst"];
}

/** The form in which a backup lies in the bucket. */
export function storedFormat(kind: "dump" | "snapshot", encrypted: boolean): Format {
  return formatsOf(kind, encrypted)[0]!;
}
