import { lstat, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Choice, RowContent } from "../../format/rows/choice.ts";
import { CliError, EXIT } from "../exit.ts";
import { nameFile } from "../files/name-file.ts";
import { withUnfinished } from "../files/unfinished.ts";
import { fileNameOf } from "./file-names.ts";
import { readSidecar, SIDECAR, type Sidecar, sidecarText } from "./sidecar.ts";
import type { ExportLink, Subject } from "./subject.ts";
import { HashedFile } from "./table-file.ts";
import { writeRows, writeSchema } from "./write-files.ts";

const SCHEMA = "schema.sql";

/** What a folder is to hold. */
export interface FolderOptions {
  readonly rows: RowContent;
  /** Its tables are named once each. */
  readonly choice: Choice;
  readonly overwrite: boolean;
  readonly quiet: boolean;
}

/**
 * Write an export into a folder: a file for each table, the schema, and `export.json`, which is named last.
 * Every file is made under another name first. Files of tables that are gone are removed if the export before
 * wrote them; what no export wrote is left alone.
 *
 * @throws CliError
 */
export async function writeFolder(
  subject: Subject,
  folder: string,
  options: FolderOptions,
): Promise<Sidecar & Pick<ExportLink, "unusedRules" | "subset">> {
  await refuseNoFolder(folder);
  const before = await readSidecar(folder);
  const { rows, quiet } = options;
  // CSV is made of NDJSON here, its BLOBs too.
  const { only, blobs = "base64", ...choice } = options.choice;
  const { tables: chosen, where = {}, order = "stored", sanitize } = choice;
  const ofSchema: Choice = {
    ...(chosen !== undefined && { tables: chosen }),
    ...(sanitize === true && { sanitize }),
    only: "schema",
  };
  const data = only === "schema" ? undefined : await subject.link("ndjson", choice);
  const schema = only === "data" ? undefined : await subject.link("sql", ofSchema);
  const { asOf, moment, erasures } = (data ?? schema)!;
  const tables = (data?.export?.tables ?? []).map((table) => ({
    ...table,
    file: `${fileNameOf(table.name)}.${rows}`,
  }));
  const files = [
    ...tables.map(({ file }) => file),
    ...(schema === undefined ? [] : [SCHEMA]),
    SIDECAR,
  ];
  await refuseForeign(folder, files, before, options.overwrite);
  await mkdir(folder, { recursive: true });

  const partOf = (file: string) => join(folder, `${file}.${process.pid}.part`);
  return withUnfinished(files.map(partOf), async () => {
    const tagged = chosen?.length !== 1;
    const written =
      data === undefined
        ? []
        : await writeRows(data.url, tables, { tagged, rows, blobs, partOf, quiet });
    if (Object.keys(where).length === 0 && erasures === 0)
      refuseOtherCounts(countsOf(subject, data), written);
    const sidecar: Sidecar = {
      ...{ format: 1, database: subject.database, backup: subject.backup, moment, asOf },
      ...{ rows, blobs, order, where, erasures },
      ...(sanitize === true && { sanitized: true }),
      schema:
        schema === undefined
          ? null
          : { file: SCHEMA, ...(await writeSchema(schema.url, partOf(SCHEMA), quiet)) },
      ...{ tables: written, leftOut: [...(data?.export?.leftOut ?? [])] },
    };
    const last = new HashedFile(partOf(SIDECAR));
    last.write(sidecarText(sidecar));
    last.end();
    for (const file of files.slice(0, -1)) await rename(partOf(file), join(folder, file));
    await nameFile(partOf(SIDECAR), join(folder, SIDECAR), true);
    for (const file of filesOf(before))
      if (!files.includes(file)) await rm(join(folder, file), { force: true });
    const { unusedRules, subset } = (data ?? schema)!;
    return { ...sidecar, unusedRules, subset };
  });
}

/** The files that an export has written, apart from `export.json`. */
function filesOf(sidecar: Sidecar | undefined): string[] {
  if (sidecar === undefined) return [];
  const { tables, schema } = sidecar;
  return [...tables, ...(schema === null ? [] : [schema])].map(({ file }) => file);
}

async function refuseNoFolder(folder: string): Promise<void> {
  const there = await lstat(folder).catch(() => undefined);
  if (there === undefined || there.isDirectory()) return;
  throw new CliError(EXIT.usage, `${folder} is no folder, and is left alone.`, {
    hint: "Name a folder that ends with a slash, or a file that is not there.",
  });
}

/** Refuse to replace what no export wrote, unless it is wanted, and anything but plain files in any case. */
async function refuseForeign(
  folder: string,
  files: readonly string[],
  before: Sidecar | undefined,
  overwrite: boolean,
): Promise<void> {
  const own = new Set(before === undefined ? [] : [SIDECAR, ...filesOf(before)]);
  for (const file of files) {
    const path = join(folder, file);
    const there = await lstat(path).catch(() => undefined);
    if (there === undefined || (there.isFile() && (overwrite || own.has(file)))) continue;
    if (!there.isFile()) throw new CliError(EXIT.usage, `${path} is not a plain file.`);
    throw new CliError(EXIT.usage, `${path} is there already, and no export wrote it.`, {
      hint: "Name another folder, or replace it with --overwrite.",
      code: "FILE_EXISTS",
    });
  }
}

/** Return how many rows each table has to come with: those of a subset where there is one. */
function countsOf({ counts }: Subject, link: ExportLink | undefined): Subject["counts"] {
  const kept = (link?.subset ?? []).map(({ name, rows }) => [name, rows] as const);
  return new Map([...counts, ...kept]);
}

/** @throws CliError `failed` where a table has other rows than were counted */
function refuseOtherCounts(counts: Subject["counts"], written: Sidecar["tables"]): void {
  for (const { name, rows } of written) {
    const counted = counts.get(name);
    if (counted === undefined || counted === rows) continue;
    throw new CliError(EXIT.failed, `The table ${name} came with ${rows} rows of ${counted}.`, {
      hint: "Nothing was kept. Run the command again; if it stays so, choose another backup.",
    });
  }
}
