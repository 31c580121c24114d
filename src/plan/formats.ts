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

/** Every format that a database can be given in; which of them depends on what is stored. */
export type Format = keyof typeof PARTS;
export const FORMATS = Object.keys(PARTS) as readonly Format[];

/** What a format is made of. */
export function partsOf(format: Format): Parts {
  return PARTS[format];
}

/** What the formats of a stored backup depend on. */
export interface StoredForm {
  readonly kind: "dump" | "snapshot";
  readonly encrypted: boolean;
  /** Of its text; UTF-8 where it is not told. */
  readonly encoding?: string | undefined;
}

/** What a manifest tells of that. */
export function storedForm({
  kind,
  encryption,
  snapshot,
}: {
  readonly kind: "dump" | "snapshot";
  readonly encryption?: unknown;
  readonly snapshot?: { readonly encoding?: string } | null;
}): StoredForm {
  return { kind, encrypted: encryption !== undefined, encoding: snapshot?.encoding };
}

/**
 * What a stored backup gives, the stored form first: of an encrypted one, that alone. A moment of the log
 * gives what a snapshot does. A dump's SQL is the server's own: it is libSQL's already. SQL is written of
 * databases in UTF-8 only.
 */
export function formatsOf({ kind, encrypted, encoding = "UTF-8" }: StoredForm): readonly Format[] {
  if (encrypted) return [kind === "dump" ? "sql.zst.age" : "db.zst.age"];
  if (kind === "dump") return ["sql.zst", "sql.gz", "sql"];
  const files: readonly Format[] = ["db.zst", "db"];
  return encoding === "UTF-8"
    ? [...files, "sql.gz", "sql", "sql.zst", "libsql.sql.gz", "libsql.sql", "libsql.sql.zst"]
    : files;
}

/** The form in which a backup lies in the bucket. */
export function storedFormat(kind: "dump" | "snapshot", encrypted: boolean): Format {
  return formatsOf({ kind, encrypted })[0]!;
}
