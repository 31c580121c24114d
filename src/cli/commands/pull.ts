import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, type Client, connection } from "../client.ts";
import { storedFormat } from "../../plan/formats.ts";
import { saveDecrypted, type Sealed } from "../decrypt.ts";
import { type Digest, digestIn, saveVerified } from "../download.ts";
import { CliError } from "../exit.ts";
import { findBackup, makeLink } from "../link.ts";
import { uncertainty } from "../moment.ts";
import { identityFile } from "../identity.ts";
import { printJson, size } from "../output.ts";
import { restoreToFile } from "../restore-file.ts";
import { refuseTarget, target } from "../target.ts";

export default defineCommand({
  meta: {
    name: "pull",
    description: "Get a database as a file: the newest backup, or any moment of the page log",
  },
  args: {
    database,
    at: { type: "string", description: "A moment in ISO 8601, like 2026-11-20T14:03:00Z" },
    format: {
      type: "string",
      description: "db, db.zst, sql, sql.gz or sql.zst; libsql.sql for a libSQL server",
      default: "db",
    },
    output: { type: "string", alias: "o", description: "The file to write" },
    force: { type: "boolean", description: "Replace the file if it is there", default: false },
    identity: identityFile,
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const { database: db, at, format, force } = args;
    const output = args.output ?? `${db}.${format}`;
    const file = target(output);
    if (args.output !== undefined) await refuseTarget(file, force);
    const found = await find(client, db, at, format).catch((error: unknown) => {
      if (format === "db" && error instanceof CliError && error.code === "ERASURE_APPLIES") return;
      throw error;
    });
    await refuseTarget(file, force);
    // Pages would bring erased rows along: the file is made from SQL then.
    if (found === undefined)
      return restoreToFile(
        client,
        { ...WHOLE, database: db, at, overwrite: force, identity: args.identity, json: args.json },
        output,
      );
    const { asOf, uncertaintyMs } = found;
    const { bytes, erasures = 0 } =
      "sealed" in found
        ? await saveDecrypted(client, found.sealed, format, args.identity, file, args.json)
        : { bytes: await saveVerified(found.url, found.digest, file, args.json) };
    if (args.json) printJson({ file, bytes, asOf, ...(at !== undefined && { uncertaintyMs }) });
    else {
      const without = erasures === 0 ? "" : ", without the rows that were erased since";
      console.log(`${file}: ${size(bytes)}, as of ${asOf}${uncertainty(found)}${without}.`);
    }
  },
});

/** A link, or a backup that has to be opened on this machine. */
type Wanted = { readonly asOf: string; readonly uncertaintyMs?: number | null } & (
  { readonly url: string; readonly digest: Digest | undefined } | { readonly sealed: Sealed }
);

/** A restore of everything. */
const WHOLE = {
  backup: "latest",
  tables: undefined,
  schemaOnly: false,
  dataOnly: false,
  verify: false,
  dryRun: false,
} as const;

/** Of what is wanted a link, what it must hash to, and the moment that it stands for. */
async function find(
  client: Client,
  db: string,
  at: string | undefined,
  format: string,
): Promise<Wanted> {
  if (at === undefined) {
    const backup = await findBackup(client, db, "latest");
    const asOf = backup.snapshot?.committedAt ?? backup.takenAt;
    const { encryption } = backup;
    if (encryption !== undefined && format !== storedFormat(backup.kind, true))
      return { sealed: { ...backup, encryption }, asOf };
    const { url, erasures } = await makeLink(client, backup.id, format, "1h");
    return { url, digest: erasures === 0 ? digestIn(backup, format) : undefined, asOf };
  }
  const link = await bodyOf(
    client.v1.databases[":db"].links.$post({
      param: { db },
      json: { at, format, expiresIn: "1h" },
    }),
  );
  const { committedAt: asOf, uncertaintyMs } = link.moment;
  return { url: link.url, digest: undefined, asOf, uncertaintyMs };
}
