import { defineCommand } from "citty";
import { backup, database, json } from "../args.ts";
import { apiClient, bodyOf, type Client, connection } from "../client.ts";
import { storedFormat } from "../../plan/formats.ts";
import { saveDecrypted, type Sealed } from "../files/decrypt.ts";
import { type Digest, digestIn, saveVerified } from "../files/download.ts";
import { asOfWords } from "../as-of.ts";
import { CliError, EXIT } from "../exit.ts";
import { findBackup, makeLink } from "../link.ts";
import { uncertainty } from "../moment.ts";
import { identityFile } from "../files/identity.ts";
import { print, printJson, size } from "../output.ts";
import { restoreToFile } from "../restore/file.ts";
import { refuseOpenDatabase, refuseTarget, target } from "../restore/target.ts";
import { printWarnings, type Warned } from "../warnings.ts";

export default defineCommand({
  meta: {
    name: "pull",
    description: "Get a database as a file: the newest backup, or any moment of the page log",
  },
  args: {
    database,
    backup,
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
    if (args.at !== undefined && args.backup !== "latest")
      throw new CliError(EXIT.usage, "--at and --backup exclude each other.");
    const client = apiClient(connection(process.env));
    const { database: db, backup: wanted, at, format, force } = args;
    const output = args.output ?? `${db}.${format}`;
    const file = target(output);
    if (args.output !== undefined) await refuseTarget(file, force);
    const found = await find(client, db, wanted, at, format).catch((error: unknown) => {
      if (format === "db" && error instanceof CliError && error.code === "ERASURE_APPLIES") return;
      throw error;
    });
    await refuseTarget(file, force);
    if (format === "db") await refuseOpenDatabase(file);
    // Pages would bring erased rows along: the file is made from SQL then.
    if (found === undefined)
      return restoreToFile(
        client,
        {
          ...{ ...WHOLE, database: db, backup: wanted, at, overwrite: force },
          ...{ identity: args.identity, json: args.json },
        },
        output,
      );
    const { asOf, takenAt, uncertaintyMs, backup: taken } = found;
    if (taken !== undefined) printWarnings(taken);
    const { bytes, erasures = 0 } =
      "sealed" in found
        ? await saveDecrypted(client, found.sealed, format, args.identity, file, args.json, force)
        : { bytes: await saveVerified(found.url, found.digest, file, args.json, force) };
    const dated = { takenAt, ...(at !== undefined && { uncertaintyMs }) };
    if (args.json) printJson({ file, bytes, asOf, ...dated });
    else {
      const without = erasures === 0 ? "" : ", without the rows that were erased since";
      print(`${file}: ${size(bytes)}, ${asOfWords(found)}${uncertainty(found)}${without}.`);
    }
  },
});

/** A link, or a backup that has to be opened on this machine. */
type Wanted = {
  readonly asOf: string;
  readonly takenAt: string | null;
  readonly uncertaintyMs?: number | null;
  readonly backup?: Warned;
} & ({ readonly url: string; readonly digest: Digest | undefined } | { readonly sealed: Sealed });

/** A restore of everything. */
const WHOLE = {
  tables: undefined,
  schemaOnly: false,
  dataOnly: false,
  verify: false,
  dryRun: false,
} as const;

/** The link to download, its expected hash, and the point in time it represents. */
async function find(
  client: Client,
  db: string,
  wanted: string,
  at: string | undefined,
  format: string,
): Promise<Wanted> {
  if (at === undefined) {
    const taken = await findBackup(client, db, wanted);
    const asOf = taken.snapshot?.committedAt ?? taken.takenAt;
    const { encryption, takenAt } = taken;
    if (encryption !== undefined && format !== storedFormat(taken.kind, true))
      return { sealed: { ...taken, encryption }, backup: taken, asOf, takenAt };
    const { url, erasures } = await makeLink(client, taken.id, format, "1h");
    return {
      url,
      digest: erasures === 0 ? digestIn(taken, format) : undefined,
      backup: taken,
      asOf,
      takenAt,
    };
  }
  const link = await bodyOf(
    client.v1.databases[":db"].links.$post({
      param: { db },
      json: { at, format, expiresIn: "1h" },
    }),
  );
  const { committedAt: asOf, uncertaintyMs } = link.moment;
  return { url: link.url, digest: undefined, takenAt: null, asOf, uncertaintyMs };
}
