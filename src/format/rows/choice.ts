/** The part of a database that a link gives, and how its rows are written. */
export interface Choice {
  /** Names of tables; all if undefined. */
  readonly tables?: readonly string[];
  /** An SQL expression for a table, true for the rows that are given; by the table's name. */
  readonly where?: Readonly<Record<string, string>>;
  readonly only?: "schema" | "data";
  /** How CSV writes BLOBs; `base64` if undefined. */
  readonly blobs?: BlobForm;
  readonly order?: RowOrder;
  /** True if values are masked by the database's rules. */
  readonly sanitize?: true;
  /** True if its maker was allowed to have the values as they are, where that takes a scope. */
  readonly raw?: true;
}

export type BlobForm = "base64" | "hex";

/** `stored`, the default: by rowid, or by key in a table without rowids. `key`: by the declared primary key. */
export type RowOrder = "stored" | "key";

/** Formats of rows that are text. */
export type TextContent = "ndjson" | "json" | "csv";

/** Formats of rows. */
export type RowContent = TextContent | "parquet";
