/** Everything that a database can be had as; which of them depends on what is stored. */
export const FORMATS = ["db", "db.zst", "sql", "sql.gz", "sql.zst"] as const;
export type Format = (typeof FORMATS)[number];

/** What a stored backup gives, the stored form first. A moment of the log gives what a snapshot does. */
export function formatsOf(kind: "dump" | "snapshot"): readonly Format[] {
  return kind === "dump"
    ? ["sql.zst", "sql.gz", "sql"]
    : ["db.zst", "db", "sql.gz", "sql", "sql.zst"];
}
