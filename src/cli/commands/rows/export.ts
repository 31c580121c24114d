import { lstat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { defineCommand } from "citty";
import type { BlobForm, RowContent } from "../../../format/rows/choice.ts";
import { lowerName } from "../../../format/tables/selection.ts";
import { backup, choiceOf, database, json, momentArg, overwrite, refuseBoth } from "../../args.ts";
import { apiClient, connection } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { warnOfGit } from "../../export/git-warning.ts";
import { type ExportLink, findExport, type Subject } from "../../export/subject.ts";
import { writeFolder } from "../../export/write-folder.ts";
import { saveVerified } from "../../files/download.ts";
import { linkedBytes } from "../../files/load-sql.ts";
import { print, printAside, printJson, size } from "../../output.ts";
import { refuseTarget, target } from "../../restore/target.ts";

export default defineCommand({
  meta: {
    name: "export",
    description:
      "Write rows as NDJSON, JSON or CSV: a folder for a repository, a file, or a stream",
  },
  args: {
    database,
    backup,
    at: momentArg,
    tables: { type: "string", description: "Only these tables", valueHint: "a,b" },
    where: {
      type: "string",
      description: "Only rows of a table for which an expression is true; one for each table",
      valueHint: '"orders: id > 100"',
    },
    format: { type: "string", description: "ndjson, json or csv", default: "ndjson" },
    blobs: { type: "string", description: "How csv has BLOBs: base64 or hex", default: "base64" },
    order: {
      type: "string",
      description: "stored (by rowid) or key (by the declared primary key)",
      default: "stored",
    },
    "schema-only": { type: "boolean", description: "No rows", default: false },
    "data-only": { type: "boolean", description: "No schema", default: false },
    output: {
      type: "string",
      alias: "o",
      description: "A folder (ends with /), a file, or - for standard output; default: <database>/",
      valueHint: "folder/",
    },
    overwrite,
    json,
  },
  async run({ args, rawArgs }) {
    refuseBoth(args);
    const rows = choiceOf<RowContent>("--format", ["ndjson", "json", "csv"], args.format)!;
    const blobs = choiceOf<BlobForm>("--blobs", ["base64", "hex"], args.blobs)!;
    const order = choiceOf("--order", ["stored", "key"] as const, args.order)!;
    const { "schema-only": schemaOnly, "data-only": dataOnly } = args;
    if (schemaOnly && dataOnly) throw usage("--schema-only and --data-only exclude each other.");
    const tables = tablesOf(args.tables);
    const where = wheresOf(rawArgs);
    const choice = {
      ...(tables !== undefined && { tables }),
      ...(where !== undefined && { where }),
      ...(order === "key" && { order }),
    };
    const output = args.output ?? `${args.database}/`;
    const isStream = output === "-";
    const path = target(output);
    const isFolder = !isStream && (output.endsWith("/") || (await isDirectory(path)));
    if (isStream && process.stdout.isTTY)
      throw usage("What a database holds is not shown on a terminal: pipe it, or name a file.");
    if (!isStream && !isFolder) await refuseTarget(path, args.overwrite);

    const client = apiClient(connection(process.env));
    const subject = await findExport(client, args.database, args.backup, args.at);
    if (isFolder) {
      const parts = { schema: !dataOnly, data: !schemaOnly };
      const { overwrite: replaces, json: quiet } = args;
      const options = { rows, blobs, choice, ...parts, overwrite: replaces, quiet };
      return writeToFolder(subject, output, options);
    }
    const link = schemaOnly
      ? await subject.link("sql", { ...(tables !== undefined && { tables }), only: "schema" })
      : await subject.link(rows, { ...choice, ...(rows === "csv" && { blobs }) });
    tellLeftOut(link.export?.leftOut ?? []);
    if (isStream) {
      const source = await linkedBytes(link.url);
      await pipeline(source, process.stdout, { end: false }).catch((error: unknown) => {
        throw new CliError(EXIT.failed, `The export broke off: ${String(error)}.`, {
          hint: "What has come is a part: throw it away, and run the command again.",
        });
      });
      return;
    }
    const bytes = await saveVerified(link.url, undefined, path, args.json, args.overwrite);
    const { asOf, erasures } = link;
    if (args.json) printJson({ file: path, bytes, asOf, erasures, backup: subject.backup });
    else print(`${path}: ${size(bytes)}, ${args.database} as of ${asOf}.`);
  },
});

async function writeToFolder(
  subject: Subject,
  output: string,
  options: Parameters<typeof writeFolder>[2],
): Promise<void> {
  const folder = target(output);
  const { tables, leftOut, schema, asOf, erasures } = await writeFolder(subject, folder, options);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, schema?.bytes ?? 0);
  tellLeftOut(leftOut);
  const mixed = tables.filter((table) => table.mixed.length > 0).map(({ name }) => name);
  if (mixed.length > 0)
    printAside(
      `Note: CSV does not tell all values of ${mixed.join(", ")} apart, and they cannot be imported from it: ndjson does.`,
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

/** Say which virtual tables have no rows in an export, where that may be a surprise. */
function tellLeftOut(leftOut: NonNullable<ExportLink["export"]>["leftOut"]): void {
  for (const { name, why } of leftOut)
    if (why !== "content elsewhere")
      printAside(`Note: the rows of the virtual table ${name} are left out: ${why}.`);
}

/** The tables that are named, each once. */
function tablesOf(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const names = new Map(text.split(",").map((name) => [lowerName(name), name]));
  return [...names.values()];
}

/** Read every `--where "table: expression"`. */
function wheresOf(argv: readonly string[]): Record<string, string> | undefined {
  const given = argv.flatMap((arg, at) =>
    arg === "--where" ? [argv[at + 1] ?? ""] : arg.startsWith("--where=") ? [arg.slice(8)] : [],
  );
  const pairs = given.map((text) => {
    const [, table, expression] = /^([^:]+):\s*(.+)$/s.exec(text) ?? [];
    if (table === undefined)
      throw usage('--where takes a table and an expression: "orders: id > 1".');
    return [table.trim(), expression!] as const;
  });
  if (new Set(pairs.map(([table]) => lowerName(table))).size < pairs.length)
    throw usage("--where takes one expression for each table.");
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isDirectory() === true;
}

function usage(message: string): CliError {
  return new CliError(EXIT.usage, message, { hint: "See nightjar export --help." });
}
