import { basename, dirname } from "node:path";
import { defineCommand } from "citty";
import * as v from "valibot";
import { namespaceName, serverUrl } from "../../../config/fields.ts";
import type { Source } from "../../../libsql/server.ts";
import { refuseClearToken } from "../../account/connection.ts";
import { readSecret } from "../../account/secret.ts";
import { CliError, EXIT } from "../../exit.ts";
import { SIDECAR } from "../../export/sidecar.ts";
import { importFolder } from "../../import/import-folder.ts";
import { importIntoServer, type ServerImport } from "../../import/into-server.ts";
import { json, overwrite } from "../../line/args.ts";
import { print, printAside, printJson, size } from "../../output.ts";
import { target } from "../../restore/target.ts";

/** Time for which the target may send nothing, ms. */
const STALL = 60_000;

export default defineCommand({
  meta: {
    name: "import",
    description: "Make a database of a folder of an export: a new file, or on a libSQL server",
  },
  args: {
    folder: {
      type: "positional",
      description: `The folder that nightjar export wrote, or its ${SIDECAR}`,
      required: true,
    },
    to: {
      type: "string",
      description: "The file to write, or an empty database: libsql://…, https://… or http://…",
    },
    "token-env": {
      type: "string",
      description: "The NAME of the variable that holds the token of --to",
      valueHint: "name",
    },
    namespace: { type: "string", description: "The namespace on the server of --to" },
    tables: {
      type: "string",
      description: "Only these tables, with their indexes and triggers",
      valueHint: "a,b",
    },
    "dry-run": {
      type: "boolean",
      description:
        "For a server: check the export and the target, say what would be done, and stop",
      default: false,
    },
    overwrite,
    json,
  },
  async run({ args }) {
    const { to, overwrite: replaces, namespace, json: quiet } = args;
    if (to === undefined) throw usage("Give the file or the server to write to with --to.");
    const path = target(args.folder);
    const folder = basename(path) === SIDECAR ? dirname(path) : path;
    const tables = args.tables?.split(",");
    const tokenEnv = args["token-env"];
    const dryRun = args["dry-run"];
    if (/^(libsql|https?):\/\//.test(to)) {
      if (replaces) throw usage("--overwrite is for --to <file> only.");
      const server = serverOf(to, tokenEnv, namespace);
      const done = await importIntoServer(folder, server, { tables, dryRun, quiet });
      if (quiet) printJson(done);
      else show(done);
      return;
    }
    for (const [name, value] of Object.entries({ "token-env": tokenEnv, namespace }))
      if (value !== undefined) throw usage(`--${name} is for --to <address> only.`);
    if (dryRun) throw usage("--dry-run is for --to <address> only.");
    const file = target(to);
    const imported = await importFolder(folder, file, { tables, overwrite: replaces, quiet });
    const { sidecar, bytes, rows, words, notes } = imported;
    const { database, asOf } = sidecar;
    if (quiet) return printJson({ file, bytes, rows, database, asOf, notes });
    for (const note of notes) printAside(`Note: ${note}.`);
    print(`${file}: ${size(bytes)}, ${rows} rows of ${database} as of ${asOf}. ${words}`);
  },
});

function serverOf(to: string, tokenEnv: string | undefined, namespace: string | undefined): Source {
  const token = tokenEnv === undefined ? undefined : readSecret(tokenEnv);
  if (token !== undefined) refuseClearToken("--to", to, `the token in ${tokenEnv}`);
  const url = parsed(serverUrl, to, "--to");
  const name =
    namespace === undefined ? undefined : parsed(namespaceName, namespace, "--namespace");
  return { url, token, namespace: name, stallMs: STALL };
}

function parsed<T>(schema: v.GenericSchema<string, T>, text: string, option: string): T {
  const { success, output, issues } = v.safeParse(schema, text);
  if (success) return output;
  throw usage(`${option} ${issues[0].message}.`);
}

function show(done: ServerImport): void {
  const { database, asOf, target: to, state, tables, drops, notes, verified } = done;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const place = to.namespace === null ? to.url : `${to.url} (${to.namespace})`;
  for (const note of notes) printAside(`Note: ${note}.`);
  if (verified !== null) {
    print(
      `Imported ${database} as of ${asOf} into ${place}: ${rows} rows of ${tables.length} tables. Compared: ${verified.rows} rows of ${verified.tables} tables are the same, by hash.`,
    );
    return;
  }
  print(`Would import ${database} as of ${asOf} into ${place}, which is ${state}:`);
  for (const table of tables) print(`  ${table.name}: ${table.rows} rows`);
  if (drops.length > 0) print("It would be wiped of:");
  for (const drop of drops) print(`  ${drop}`);
}

function usage(message: string): CliError {
  return new CliError(EXIT.usage, message, { hint: "See nightjar import --help." });
}
