import { basename, dirname } from "node:path";
import { defineCommand } from "citty";
import { json, overwrite } from "../../line/args.ts";
import { CliError, EXIT } from "../../exit.ts";
import { SIDECAR } from "../../export/sidecar.ts";
import { importFolder } from "../../import/import-folder.ts";
import { print, printAside, printJson, size } from "../../output.ts";
import { target } from "../../restore/target.ts";

export default defineCommand({
  meta: { name: "import", description: "Make a new database file of a folder of an export" },
  args: {
    folder: {
      type: "positional",
      description: `The folder that nightjar export wrote, or its ${SIDECAR}`,
      required: true,
    },
    to: { type: "string", description: "The file to write", valueHint: "file" },
    overwrite,
    json,
  },
  async run({ args }) {
    const { to, folder: given, overwrite: replaces, json: quiet } = args;
    if (to === undefined)
      throw new CliError(EXIT.usage, "Give the file to write with --to.", {
        hint: "See nightjar import --help.",
      });
    if (/^(libsql|https?):\/\//.test(to))
      throw new CliError(EXIT.usage, "An export is imported into a new file only.", {
        hint: "Import it into a file, and load that into the server: sqlite3 new.db .dump",
      });
    const path = target(given);
    const folder = basename(path) === SIDECAR ? dirname(path) : path;
    const file = target(to);
    const imported = await importFolder(folder, file, { overwrite: replaces, quiet });
    const { sidecar, bytes, rows, words, notes } = imported;
    const { database, asOf } = sidecar;
    if (quiet) return printJson({ file, bytes, rows, database, asOf, notes });
    for (const note of notes) printAside(`Note: ${note}.`);
    print(`${file}: ${size(bytes)}, ${rows} rows of ${database} as of ${asOf}. ${words}`);
  },
});
