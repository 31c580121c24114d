import { rm, stat } from "node:fs/promises";
import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, connection } from "../client.ts";
import { saveVerified } from "../download.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup, makeLink } from "../link.ts";
import { printJson, size } from "../output.ts";

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
    const found = await findBackup(client, args.database, args.backup);
    const { url } = await makeLink(client, found.id, args.format, "1h");
    const file = args.output ?? decodeURIComponent(new URL(url).pathname.split("/").at(-1)!);
    if (!args.force && (await stat(file).then(Boolean, () => false)))
      throw new CliError(EXIT.usage, `${file} is there already.`, {
        hint: "Name another file with --output, or replace it with --force.",
      });
    const part = `${file}.part`;
    try {
      const bytes = await saveVerified(url, args.format, found, file, part, args.json);
      if (args.json) printJson({ file, bytes, backup: found.id });
      else console.log(`${file}: ${size(bytes)}, checked against the backup's hash.`);
    } finally {
      await rm(part, { force: true });
    }
  },
});
