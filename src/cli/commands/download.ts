import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, connection } from "../client.ts";
import { storedFormat } from "../../plan/formats.ts";
import { saveDecrypted } from "../files/decrypt.ts";
import { checked, digestIn, saveVerified } from "../files/download.ts";
import { identityFile } from "../files/identity.ts";
import { findBackup, makeLink } from "../link.ts";
import { print, printJson, size } from "../output.ts";
import { refuseOpenDatabase, refuseTarget, target } from "../restore/target.ts";
import { printWarnings } from "../warnings.ts";

export default defineCommand({
  meta: { name: "download", description: "Download a backup and check every byte of it" },
  args: {
    database,
    backup,
    format: {
      type: "string",
      description:
        "db, db.zst, sql, sql.gz, sql.zst; libsql.sql for a libSQL server; default: what is stored, decompressed",
    },
    output: { type: "string", alias: "o", description: "The file to write" },
    force: { type: "boolean", description: "Replace the file if it is there", default: false },
    identity: identityFile,
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    if (args.output !== undefined) await refuseTarget(target(args.output), args.force);
    const found = await findBackup(client, args.database, args.backup);
    printWarnings(found);
    const format = args.format ?? defaultFormat(found, args.identity);
    const { encryption } = found;
    if (encryption !== undefined && format !== storedFormat(found.kind, true)) {
      const file = target(args.output ?? `${found.database}-${found.id}.${format}`);
      await refuseTarget(file, args.force);
      if (format === "db") await refuseOpenDatabase(file);
      const sealed = { ...found, encryption };
      const opened = await saveDecrypted(
        client,
        sealed,
        format,
        args.identity,
        file,
        args.json,
        args.force,
      );
      if (args.json) printJson({ file, ...opened, backup: found.id });
      else {
        const { bytes, erasures } = opened;
        const how = "decrypted and checked against the backup's hash";
        const without = erasures === 0 ? "" : ", without the rows that were erased";
        print(`${file}: ${size(bytes)}, ${how}${without}.`);
      }
      return;
    }
    const { url, erasures } = await makeLink(client, found.id, format, "1h");
    const file = target(args.output ?? new URL(url).pathname.split("/").at(-1)!);
    await refuseTarget(file, args.force);
    if (format === "db") await refuseOpenDatabase(file);
    const digest = erasures === 0 ? digestIn(found, format) : undefined;
    const bytes = await saveVerified(url, digest, file, args.json, args.force);
    if (args.json) printJson({ file, bytes, backup: found.id });
    else {
      const how = erasures === 0 ? checked(found, format) : erasedWords(found);
      print(`${file}: ${size(bytes)}, ${how}.`);
    }
  },
});

/** What is stored, decompressed; of what is encrypted only with an identity. */
function defaultFormat(found: Found, identity: string | undefined): string {
  if (found.encryption !== undefined && identity === undefined)
    return storedFormat(found.kind, true);
  return found.kind === "snapshot" ? "db" : "sql";
}

function erasedWords({ encryption }: Found): string {
  return encryption === undefined
    ? "without the rows that were erased"
    : "with the rows that were erased since: delete them when it is opened";
}

type Found = Pick<Awaited<ReturnType<typeof findBackup>>, "kind" | "encryption">;
