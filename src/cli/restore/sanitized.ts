import { lstat } from "node:fs/promises";
import { EVERYTHING } from "../../format/tables/selection.ts";
import type { Client } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import { checkFile } from "../files/check-file.ts";
import { saveVerified, streamVerified } from "../files/download.ts";
import { finishFile } from "../files/finish-file.ts";
import { loadSql } from "../files/load-sql.ts";
import { download } from "../files/resume.ts";
import { withUnfinished } from "../files/unfinished.ts";
import { findBackup } from "../find-backup.ts";
import { makeLink, makeMomentLink } from "../link.ts";
import { print, printAside, printJson, size } from "../output.ts";
import { openGuarded } from "../sqlite/open-guarded.ts";
import { printWarnings, tellMasks } from "../warnings.ts";
import { refuseOpenDatabase, refuseTarget, target } from "./target.ts";

/** What is pulled, and where to. */
interface Pull {
  readonly database: string;
  readonly backup: string;
  readonly at?: string | undefined;
  readonly format?: string | undefined;
  readonly output?: string | undefined;
  readonly identity?: string | undefined;
  readonly overwrite: boolean;
  readonly json: boolean;
}

/**
 * Save a database with its values masked: as SQL, or as a file that is made of it row by row, so that it has
 * no page of the original.
 *
 * @throws CliError
 */
export async function pullSanitized(client: Client, pull: Pull): Promise<void> {
  const { database: db, at, format = "db", overwrite, json } = pull;
  if (pull.identity !== undefined)
    throw new CliError(
      EXIT.usage,
      "An encrypted backup is not given sanitized: only you can read it.",
    );
  const isFile = format === "db";
  const isStream = pull.output === "-";
  if (isStream && isFile)
    throw new CliError(
      EXIT.usage,
      "A sanitized file is made on this machine: it has to have a name.",
      { hint: "Name a file with --output, or ask for --format sql." },
    );
  const file = target(pull.output ?? `${db}.${format}`);
  if (!isStream) await refuseTarget(file, overwrite);
  if (isFile) await refuseOpenDatabase(file);
  const terms = { format: isFile ? "sql" : format, expiresIn: "6h", sanitize: true };
  const link = await linkTo(client, db, pull.backup, at, terms);
  tellMasks(link);
  if (isStream) return streamVerified(link.url, undefined);
  const notes = isFile
    ? await makeFile(link.url, file, overwrite, json)
    : (await saveVerified(link.url, undefined, file, json, overwrite), []);
  const bytes = (await lstat(file)).size;
  const { asOf, erasures, backup, unusedRules, subset } = link;
  const facts = { asOf, erasures, backup, sanitized: true, unusedRules, subset };
  if (json) return printJson({ file, bytes, ...facts, notes });
  for (const note of notes) printAside(`Note: ${note}`);
  print(`${file}: ${size(bytes)}, ${db} as of ${asOf}, sanitized.`);
}

async function linkTo(
  client: Client,
  db: string,
  backup: string,
  at: string | undefined,
  terms: { format: string; expiresIn: string; sanitize: boolean },
) {
  if (at !== undefined) {
    const link = await makeMomentLink(client, db, at, terms);
    return { ...link, asOf: link.moment.committedAt, backup: null };
  }
  const found = await findBackup(client, db, backup);
  printWarnings(found);
  const asOf = found.snapshot?.committedAt ?? found.takenAt;
  return { ...(await makeLink(client, found.id, terms)), asOf, backup: found.id };
}

/** Make the file under another name, let SQLite check it, and name it. @returns notes for people */
async function makeFile(
  url: string,
  file: string,
  overwrite: boolean,
  quiet: boolean,
): Promise<string[]> {
  const made = `${file}.${process.pid}.sanitizing`;
  return withUnfinished([made, `${made}-journal`], async () => {
    const database = await openGuarded(made, "write");
    let leftOut: string[];
    try {
      // What is lost when the machine fails is only a file that has no name yet.
      database.exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
      const { bytes } = await download(url);
      leftOut = await loadSql(bytes, "written", undefined, database, EVERYTHING, quiet);
    } finally {
      database.close();
    }
    const checked = await checkFile(
      made,
      { tables: undefined, erasures: [] },
      { verify: true, schemaOnly: false, tables: undefined },
      leftOut,
    );
    const broken = await brokenReferences(made);
    await finishFile(made, file, { replaces: overwrite });
    return [
      ...leftOut.map((sql) => `needs libSQL, and is left out: ${sql}`),
      ...checked.notes,
      ...broken,
    ];
  });
}

/** Tell where rows refer to none: masks of one key by different rules, or as in the database itself. */
async function brokenReferences(file: string): Promise<string[]> {
  const database = await openGuarded(file, "read");
  try {
    const tables = new Set(
      database
        .prepare("PRAGMA foreign_key_check")
        .all()
        .map((row) => String(row["table"])),
    );
    return [...tables].map(
      (table) =>
        `rows of ${table} refer to rows that are not there: give a key and its references the same rule, unless the database has such rows itself`,
    );
  } finally {
    database.close();
  }
}
