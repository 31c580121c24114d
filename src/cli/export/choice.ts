import type { BlobForm, Choice, RowOrder } from "../../format/rows/choice.ts";
import { lowerName } from "../../format/tables/selection.ts";
import { choiceOf, sanitize } from "../line/args.ts";
import { CliError, EXIT } from "../exit.ts";

/** Arguments that choose a part of a database. */
export const choiceArgs = {
  tables: { type: "string", description: "Only these tables", valueHint: "a,b" },
  where: {
    type: "string",
    description:
      "Only rows of a table for which an SQL expression is true; may be given for each table",
    valueHint: '"orders: id > 100"',
  },
  blobs: { type: "string", description: "How csv has BLOBs: base64 (default) or hex" },
  order: {
    type: "string",
    description: "The order of rows: stored (by rowid, default) or key (by the declared key)",
  },
  "schema-only": { type: "boolean", description: "No rows", default: false },
  "data-only": { type: "boolean", description: "No schema", default: false },
  sanitize,
} as const;

interface Args {
  readonly tables?: string | undefined;
  readonly blobs?: string | undefined;
  readonly order?: string | undefined;
  readonly "schema-only": boolean;
  readonly "data-only": boolean;
  readonly sanitize: boolean;
}

/**
 * Read what is chosen.
 *
 * @param rawArgs the words of the line, in which `--where` may be more than once
 * @throws CliError `usage`
 */
export function readChoice(args: Args, rawArgs: readonly string[]): Choice {
  const { "schema-only": schemaOnly, "data-only": dataOnly } = args;
  if (schemaOnly && dataOnly) throw usage("--schema-only and --data-only exclude each other.");
  const blobs = choiceOf<BlobForm>("--blobs", ["base64", "hex"], args.blobs);
  const order = choiceOf<RowOrder>("--order", ["stored", "key"], args.order);
  const tables = args.tables === undefined ? undefined : namesIn(args.tables);
  const where = wheresOf(rawArgs);
  return {
    ...(tables !== undefined && { tables }),
    ...(where !== undefined && { where }),
    ...(blobs !== undefined && { blobs }),
    ...(order !== undefined && { order }),
    ...(schemaOnly && { only: "schema" }),
    ...(dataOnly && { only: "data" }),
    ...(args.sanitize && { sanitize: true }),
  };
}

/** The tables that are named, each once. */
function namesIn(text: string): string[] {
  return [...new Map(text.split(",").map((name) => [lowerName(name), name])).values()];
}

/** Read every `--where "table: expression"`. */
function wheresOf(rawArgs: readonly string[]): Record<string, string> | undefined {
  const given = rawArgs.flatMap((arg, at) => {
    if (arg === "--where") return [rawArgs[at + 1] ?? ""];
    return arg.startsWith("--where=") ? [arg.slice("--where=".length)] : [];
  });
  const pairs = given.map((text) => {
    const [, table, expression] = /^([^:]+):(.+)$/s.exec(text) ?? [];
    if (table === undefined)
      throw usage('--where takes a table and an expression: --where "orders: id > 100".');
    return [table.trim(), expression!.trim()] as const;
  });
  if (new Set(pairs.map(([table]) => lowerName(table))).size < pairs.length)
    throw usage("--where takes one expression for each table.");
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

/** The fields of a choice as the API takes them. */
export function choiceFields({ tables, where, ...rest }: Omit<Choice, "raw">) {
  return {
    ...(tables !== undefined && { tables: [...tables] }),
    ...(where !== undefined && { where: { ...where } }),
    ...rest,
  };
}

function usage(message: string): CliError {
  return new CliError(EXIT.usage, message);
}
