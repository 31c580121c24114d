import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { messageOf } from "../../errors/errors.ts";
import { CliError, EXIT } from "../exit.ts";
import { isFileName } from "./file-names.ts";

/** The file that says what a folder of an export holds. */
export const SIDECAR = "export.json";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const fileSchema = v.object({
  file: v.pipe(v.string(), v.check(isFileName, "is no name of a file of an export")),
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});
const tableSchema = v.object({
  name: v.string(),
  ...fileSchema.entries,
  rows: count,
  columns: v.pipe(v.array(v.string()), v.minLength(1)),
  /** The greatest number that AUTOINCREMENT gave. */
  sequence: v.nullable(v.pipe(v.string(), v.regex(/^-?\d{1,19}$/))),
  /** For CSV: the columns in which every value is a BLOB, and those whose values CSV does not tell apart. */
  blobs: v.optional(v.array(v.string()), []),
  mixed: v.optional(v.array(v.string()), []),
});
const sidecarSchema = v.object({
  format: v.literal(1),
  database: v.string(),
  backup: v.nullable(v.string()),
  moment: v.nullable(v.object({ lineage: v.string(), txid: count })),
  asOf: v.string(),
  rows: v.picklist(["ndjson", "json", "csv", "parquet"]),
  blobs: v.picklist(["base64", "hex"]),
  order: v.picklist(["stored", "key"]),
  where: v.record(v.string(), v.string()),
  /** Entries of the erasure list that were applied. */
  erasures: count,
  schema: v.nullable(fileSchema),
  tables: v.array(tableSchema),
  /** True if its values are masked. Its rows then come in the order of the keys as they were. */
  sanitized: v.optional(v.literal(true)),
  leftOut: v.array(v.object({ name: v.string(), why: v.string() })),
});

/** What a folder of an export holds. It changes only when that does, so that versions can be compared. */
export type Sidecar = v.InferOutput<typeof sidecarSchema>;
export type SidecarTable = Sidecar["tables"][number];
export type SidecarFile = v.InferOutput<typeof fileSchema>;

/** Write it as text. */
export function sidecarText(sidecar: Sidecar): string {
  return `${JSON.stringify(sidecar, undefined, 2)}\n`;
}

/**
 * Read what a folder holds.
 *
 * @returns undefined if it has no such file
 * @throws CliError `failed` for one that no export has written
 */
export async function readSidecar(folder: string): Promise<Sidecar | undefined> {
  const path = join(folder, SIDECAR);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw thrown;
  }
  try {
    return v.parse(sidecarSchema, JSON.parse(text));
  } catch (thrown) {
    throw new CliError(EXIT.failed, `${path} is not that of an export: ${messageOf(thrown)}.`, {
      hint: "Export into another folder, or get the file back as `nightjar export` wrote it.",
    });
  }
}
