import { lstat, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, connection } from "../client.ts";
import { saveVerified } from "../download.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup, makeLink } from "../link.ts";
import { printJson, size } from "../output.ts";
import { printWarnings } from "../warnings.ts";

export default defineCommand({
  meta: { name: "download", description: "Download a backup and check every byte of it" },
  args: {
    database,
    backup,
    format: { type: "string", description: "sql.gz, sql or sql.zst", default: "sql.gz" },
    output: { type: "string", alias: "o", description: "The file to write" },
    force: { type: "boolean", description: "Replace the file if it is there", default: false },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    if (args.output !== undefined) await refuseTarget(target(args.output), args.force);
    const found = await findBackup(client, args.database, args.backup);
    const { url } = await makeLink(client, found.id, args.format, "1h");
    const file = target(args.output ?? new URL(url).pathname.split("/").at(-1)!);
    await refuseTarget(file, args.force);
    const part = `${file}.${process.pid}.part`;
    try {
      const bytes = await saveVerified(url, args.format, found, file, part, args.json);
      if (args.json) printJson({ file, bytes, backup: found.id });
      else console.log(`${file}: ${size(bytes)}, checked against the backup's hash.`);
      printWarnings(found);
    } finally {
      await rm(part, { force: true });
    }
  },
});

/** `npm run` works in the project's folder; the user stood elsewhere. */
function target(path: string): string {
  return resolve(process.env["INIT_CWD"] ?? ".", path);
}

/** Refuse, before anything is sent, to write where no plain file can or should be. */
async function refuseTarget(file: string, force: boolean): Promise<void> {
  const folder = await stat(dirname(file)).catch(() => undefined);
  if (folder?.isDirectory() !== true)
    throw new CliError(EXIT.usage, `There is no folder ${dirname(file)}.`);
  const there = await lstat(file).catch(() => undefined);
  if (there === undefined) return;
  if (!there.isFile())
    throw new CliError(EXIT.usage, `${file} is not a plain file, and is left alone.`, {
      hint: 'To pipe a backup, use: curl -fL "$(nightjar url <database>)"',
    });
  if (!force)
    throw new CliError(EXIT.usage, `${file} is there already.`, {
      hint: "Name another file with --output, or replace it with --force.",
    });
}
