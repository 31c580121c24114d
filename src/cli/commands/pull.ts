import { defineCommand } from "citty";
import { storedFormat } from "../../plan/formats.ts";
import { asOfWords } from "../as-of.ts";
import {
  backup,
  database,
  json,
  momentArg,
  overwrite,
  refuseBoth,
  sanitize,
} from "../line/args.ts";
import { type Client, signIn } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { tursoOnlyNote } from "../files/check-file.ts";
import { saveDecrypted, type Sealed } from "../files/decrypt.ts";
import { checked, type Digest, digestIn, saveVerified, streamVerified } from "../files/download.ts";
import { identityFile } from "../files/identity.ts";
import { findBackup } from "../find-backup.ts";
import { makeLink, makeMomentLink } from "../link.ts";
import { uncertainty } from "../moment.ts";
import { print, printAside, printJson, size } from "../output.ts";
import { restoreToFile } from "../restore/file.ts";
import { pullSanitized } from "../restore/sanitized.ts";
import { refuseOpenDatabase, refuseTarget, target } from "../restore/target.ts";
import { printWarnings } from "../warnings.ts";

export default defineCommand({
  meta: {
    name: "pull",
    description: "Get a database as a file: the newest backup, or any moment of the page log",
  },
  args: {
    database,
    backup,
    at: momentArg,
    format: {
      type: "string",
      description:
        "db, db.zst, sql, sql.gz or sql.zst; libsql.sql for a libSQL server; default: db, of a dump sql",
    },
    output: {
      type: "string",
      alias: "o",
      description: "The file to write, or - for standard output",
      valueHint: "file",
    },
    overwrite,
    identity: identityFile,
    sanitize,
    json,
  },
  async run({ args }) {
    refuseBoth(args);
    const client = signIn();
    const { database: db, at, identity, overwrite: replaces } = args;
    if (args.sanitize) return pullSanitized(client, args);
    const isStream = args.output === "-";
    if (args.output !== undefined && !isStream) await refuseTarget(target(args.output), replaces);
    const found = at === undefined ? await findBackup(client, db, args.backup) : undefined;
    const format = args.format ?? (found === undefined ? "db" : defaultFormat(found, identity));
    const output = args.output ?? `${db}.${format}`;
    const file = target(output);
    const wanted = await (
      found === undefined ? ofMoment(client, db, at!, format) : ofBackup(client, found, format)
    ).catch((error: unknown) => {
      if (format !== "db" || !(error instanceof CliError) || error.code !== "ERASURE_APPLIES")
        throw error;
      return undefined;
    });
    if (isStream) return streamOut(wanted);
    await refuseTarget(file, replaces);
    if (format === "db") await refuseOpenDatabase(file);
    // Pages would bring erased rows along: the file is made from SQL then.
    if (wanted === undefined) {
      const subject = { database: db, backup: args.backup, at, identity, json: args.json };
      return restoreToFile(client, { ...WHOLE, ...subject, overwrite: replaces }, output);
    }
    if (found !== undefined) printWarnings(found);
    const { bytes, erasures = wanted.erasures } =
      "sealed" in wanted
        ? await saveDecrypted(client, wanted.sealed, format, identity, file, args.json, replaces)
        : { bytes: await saveVerified(wanted.url, wanted.digest, file, args.json, replaces) };
    // A moment has no manifest that would warn of it.
    const note = found === undefined && format === "db" ? await tursoOnlyNote(file) : undefined;
    if (note !== undefined) printAside(`Note: ${note}`);
    const { asOf, takenAt, uncertaintyMs, how } = wanted;
    if (args.json) {
      const of = found === undefined ? { uncertaintyMs } : { backup: found.id };
      printJson({ file, bytes, asOf, takenAt, erasures, ...of });
    } else {
      const without = erasures > 0 ? `, ${erasedWords(wanted)}` : `, ${how}`;
      print(`${file}: ${size(bytes)}, ${asOfWords(wanted)}${uncertainty(wanted)}${without}.`);
    }
  },
});

/** Write a download to standard output. What is made on this machine cannot be. */
async function streamOut(wanted: Wanted | undefined): Promise<void> {
  if (wanted !== undefined && "url" in wanted) return streamVerified(wanted.url, wanted.digest);
  throw new CliError(
    EXIT.usage,
    wanted === undefined
      ? "Rows were erased since, and the file is made on this machine without them: it has to have a name."
      : "An encrypted backup is opened on this machine: its file has to have a name.",
    { hint: "Name a file with --output, or ask for --format sql." },
  );
}

type Backup = Awaited<ReturnType<typeof findBackup>>;

/** A link, or a backup that has to be opened on this machine. */
type Wanted = {
  readonly asOf: string;
  readonly takenAt: string | null;
  readonly uncertaintyMs?: number | null;
  /** Entries of the erasure list that concern it. */
  readonly erasures: number;
  /** True if the file still holds the erased rows. */
  readonly holdsErased: boolean;
  /** The check that the file passed, for people. */
  readonly how: string;
} & ({ readonly url: string; readonly digest: Digest | undefined } | { readonly sealed: Sealed });

/** A restore of everything. */
const WHOLE = {
  tables: undefined,
  schemaOnly: false,
  dataOnly: false,
  verify: false,
  sanitize: false,
  dryRun: false,
  yes: true,
} as const;

/** Choose the stored form, decompressed; an encrypted backup stays as it is without an identity. */
function defaultFormat({ kind, encryption }: Backup, identity: string | undefined): string {
  if (encryption !== undefined && identity === undefined) return storedFormat(kind, true);
  return kind === "snapshot" ? "db" : "sql";
}

async function ofBackup(client: Client, found: Backup, format: string): Promise<Wanted> {
  const { id, kind, encryption, takenAt, snapshot } = found;
  const dated = { asOf: snapshot?.committedAt ?? takenAt, takenAt };
  if (encryption !== undefined && format !== storedFormat(kind, true))
    return {
      ...dated,
      sealed: { ...found, encryption },
      erasures: 0,
      holdsErased: false,
      how: "decrypted and checked against the backup's hash",
    };
  const { url, erasures } = await makeLink(client, id, { format, expiresIn: "1h" });
  const digest = erasures === 0 ? digestIn(found, format) : undefined;
  const holdsErased = encryption !== undefined;
  return { ...dated, url, digest, erasures, holdsErased, how: checked(found, format) };
}

async function ofMoment(client: Client, db: string, at: string, format: string): Promise<Wanted> {
  const { url, erasures, moment } = await makeMomentLink(client, db, at, {
    format,
    expiresIn: "1h",
  });
  const dated = { asOf: moment.committedAt, takenAt: null, uncertaintyMs: moment.uncertaintyMs };
  const how = "made from checked pages";
  return { ...dated, url, digest: undefined, erasures, holdsErased: false, how };
}

function erasedWords({ holdsErased }: Wanted): string {
  return holdsErased
    ? "with the rows that were erased since: delete them when it is opened"
    : "without the rows that were erased since";
}
