import { lstat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { defineCommand } from "citty";
import { messageOf } from "../../../errors/errors.ts";
import type { Choice, RowContent } from "../../../format/rows/choice.ts";
import {
  backup,
  choiceOf,
  database,
  json,
  momentArg,
  overwrite,
  refuseBoth,
} from "../../line/args.ts";
import { choiceArgs, readChoice } from "../../export/choice.ts";
import { signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { warnOfGit } from "../../export/git-warning.ts";
import { type ExportLink, findExport, type Subject } from "../../export/subject.ts";
import { type FolderOptions, writeFolder } from "../../export/write-folder.ts";
import { saveVerified } from "../../files/download.ts";
import { download } from "../../files/resume.ts";
import { print, printAside, printJson, size } from "../../output.ts";
import { refuseTarget, target } from "../../restore/target.ts";
import { tellMasks } from "../../warnings.ts";

export default defineCommand({
  meta: {
    name: "export",
    description: "Write rows as NDJSON, JSON or CSV: a folder for a repository, a file or a stream",
  },
  args: {
    database,
    backup,
    at: momentArg,
    format: { type: "string", description: "ndjson, json or csv", default: "ndjson" },
    ...choiceArgs,
    output: {
      type: "string",
      alias: "o",
      description: "A folder (with / at its end), a file, or - for a stream; default: <database>/",
      valueHint: "folder/",
    },
    overwrite,
    json,
  },
  async run({ args, rawArgs }) {
    refuseBoth(args);
    const rows = choiceOf<RowContent>("--format", ["ndjson", "json", "csv"], args.format)!;
    const choice = readChoice(args, rawArgs);
    const { output = `${args.database}/`, overwrite: replaces, json: quiet } = args;
    const path = target(output);
    const isStream = output === "-";
    const isFolder = !isStream && (output.endsWith("/") || (await isDirectory(path)));
    if (isStream && process.stdout.isTTY)
      throw new CliError(
        EXIT.usage,
        "Rows may hold what changes a terminal: none is written to one.",
        {
          hint: "Pipe the stream, or name a file or a folder with --output.",
        },
      );
    if (!isStream && !isFolder) await refuseTarget(path, replaces);

    const client = signIn();
    const subject = await findExport(client, args.database, args.backup, args.at);
    if (isFolder) return writeToFolder(subject, path, { rows, choice, overwrite: replaces, quiet });
    const link = await subject.link(...linkTerms(rows, choice));
    tellLeftOut(link.export?.leftOut ?? []);
    tellMasks(link);
    if (isStream) return writeToStream(link.url);
    const bytes = await saveVerified(link.url, undefined, path, quiet, replaces);
    const { asOf, erasures } = link;
    if (quiet) printJson({ file: path, bytes, asOf, erasures, backup: subject.backup });
    else print(`${path}: ${size(bytes)}, ${args.database} as of ${asOf}.`);
  },
});

/** The format and the choice of a link to one stream. A schema is SQL, and rows are without one. */
function linkTerms(rows: RowContent, { only, ...choice }: Choice): [string, Choice] {
  return only === "schema" ? ["sql", { ...choice, only }] : [rows, choice];
}

async function writeToStream(url: string): Promise<void> {
  try {
    await pipeline((await download(url)).bytes, process.stdout, { end: false });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EPIPE") return; // the reader has enough
    if (thrown instanceof CliError) throw thrown;
    throw new CliError(EXIT.failed, `The export broke off: ${messageOf(thrown)}`, {
      hint: "What came is only a part: throw it away, and run the command again.",
    });
  }
}

async function writeToFolder(
  subject: Subject,
  folder: string,
  options: FolderOptions,
): Promise<void> {
  const { tables, leftOut, schema, asOf, erasures, unusedRules, subset } = await writeFolder(
    subject,
    folder,
    options,
  );
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, schema?.bytes ?? 0);
  tellLeftOut(leftOut);
  tellMasks({ unusedRules, subset, erasures });
  const mixed = tables.filter((table) => table.mixed.length > 0).map(({ name }) => name);
  if (mixed.length > 0)
    printAside(
      `Note: CSV does not tell all values of ${mixed.join(", ")} apart, and nightjar import takes them from ndjson or json only.`,
    );
  warnOfGit(folder, bytes);
  const { backup: id, database: name } = subject;
  if (options.quiet)
    printJson({ folder, bytes, rows, asOf, erasures, backup: id, tables, leftOut });
  else
    print(
      `${folder}: ${tables.length} tables, ${rows} rows, ${size(bytes)}, ${name} as of ${asOf}.`,
    );
}

/** Say which virtual tables have no rows in an export, unless another table has them. */
function tellLeftOut(leftOut: NonNullable<ExportLink["export"]>["leftOut"]): void {
  for (const { name, why } of leftOut)
    if (why !== "content elsewhere")
      printAside(`Note: the rows of the virtual table ${name} are left out: ${why}.`);
}

async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true;
}
