import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { BY_MIGRATION } from "./line/shorthand.ts";
import { moment, printAside } from "./output.ts";
import { pagesOf } from "./pages.ts";

/** Words and ids that the server takes. */
const KNOWN_THERE = /^(latest(-verified|-drilled)?|[0-9a-z]{12})$/;
/** The start of an id that is long enough to name a backup. */
const START_OF_ID = /^[0-9a-z]{4,11}$/;

/**
 * Find the backup that a command means: by its id or the start of it, its name (the newest that has it), its
 * migration, or a word such as `latest`.
 *
 * @throws CliError with the code `BACKUP_KNOWN_BAD` for `latest` where a proof found the newest bad: then
 *   the hint is the same command for the newest good one; `BACKUP_NOT_FOUND`; as `bodyOf`
 */
export async function findBackup(client: Client, db: string, reference: string) {
  if (!KNOWN_THERE.test(reference)) return searchBackup(client, db, reference);
  try {
    return await getBackup(client, db, reference);
  } catch (error) {
    if (error instanceof CliError && error.code === "BACKUP_NOT_FOUND") {
      const [named] = await namedBackups(client, db, reference);
      if (named === undefined) throw error;
      return getBackup(client, db, named.id);
    }
    if (!(error instanceof CliError) || error.code !== "BACKUP_KNOWN_BAD") throw error;
    const all = await allBackups(client, db);
    const good = all.find(({ knownBad }) => knownBad === null);
    if (good === undefined) throw error;
    const again = commandFor(process.argv.slice(2), good.id);
    throw new CliError(error.exit, error.message, {
      hint: `The newest that is not known to be bad was taken ${good.takenAt}: ${again}`,
      code: error.code,
    });
  }
}

function getBackup(client: Client, db: string, backup: string) {
  return bodyOf(client.v1.databases[":db"].backups[":backup"].$get({ param: { db, backup } }));
}

/** Find a backup by the start of its id, its name or its migration. */
async function searchBackup(client: Client, db: string, reference: string) {
  const found = reference.startsWith(BY_MIGRATION)
    ? await migratedBackup(client, db, reference.slice(BY_MIGRATION.length))
    : await likeBackup(client, db, reference);
  return getBackup(client, db, found.id);
}

async function migratedBackup(client: Client, db: string, migration: string) {
  const { backups } = await backupPage(client, db, { limit: "1", migration });
  if (backups[0] !== undefined) return backups[0];
  throw notFound(db, `whose migration is like "${migration}"`);
}

async function likeBackup(client: Client, db: string, reference: string) {
  const [newest, ...others] = await namedBackups(client, db, reference);
  if (newest !== undefined) {
    if (others.length > 0)
      printAside(
        `${others.length + 1} backups of ${db} are named ${reference}. This is the newest, ${newest.id} of ${moment(newest.takenAt)}.`,
      );
    return newest;
  }
  const begin = START_OF_ID.test(reference)
    ? (await allBackups(client, db)).filter(({ id }) => id.startsWith(reference))
    : [];
  if (begin.length === 1) return begin[0]!;
  if (begin.length === 0) throw notFound(db, `${reference}, by its id or its name`);
  throw new CliError(EXIT.refused, `${begin.length} backups of ${db} begin with ${reference}.`, {
    hint: `Write more of the id: ${begin
      .slice(0, 3)
      .map(({ id }) => id)
      .join(", ")}${begin.length > 3 ? ", …" : "."}`,
    code: "BACKUP_NOT_FOUND",
  });
}

/** List the backups of a name, the newest first. */
async function namedBackups(client: Client, db: string, name: string) {
  const { backups } = await backupPage(client, db, { limit: "200", name });
  return backups.filter((backup) => backup.name === name);
}

function notFound(db: string, what: string): CliError {
  return new CliError(EXIT.refused, `${db} has no backup ${what}.`, {
    hint: `See nightjar list ${db}.`,
    code: "BACKUP_NOT_FOUND",
  });
}

/** The newest backup of a database, good or not. @throws CliError as `bodyOf`; `refused` where there is none */
async function newestBackup(client: Client, db: string) {
  const { backups } = await backupPage(client, db, { limit: "1" });
  if (backups[0] !== undefined) return backups[0];
  throw new CliError(EXIT.refused, `${db} has no backup yet.`, {
    hint: `Make one with: nightjar backup ${db}`,
    code: "BACKUP_NOT_FOUND",
  });
}

/**
 * Find a backup by its id, or `latest`, which may be known to be bad: what a command does with it here gives
 * nobody its content.
 */
export function findAnyBackup(client: Client, db: string, backup: string) {
  return backup === "latest" ? newestBackup(client, db) : findBackup(client, db, backup);
}

/** A command line as a shell takes it, for the backup of this id in place of the one it named. */
export function commandFor(argv: readonly string[], id: string): string {
  const rest = argv.filter(
    (arg, at) => !arg.startsWith("--backup=") && arg !== "--backup" && argv[at - 1] !== "--backup",
  );
  const quoted = rest.map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`,
  );
  return ["nightjar", ...quoted, "--backup", id].join(" ");
}

interface Wanted {
  readonly limit: string;
  readonly cursor?: string;
  readonly name?: string;
  readonly migration?: string;
}

function backupPage(client: Client, db: string, query: Wanted) {
  return bodyOf(client.v1.databases[":db"].backups.$get({ param: { db }, query }));
}

/** Every backup of a database, the newest first. */
export async function allBackups(client: Client, db: string) {
  const all: Awaited<ReturnType<typeof backupPage>>["backups"] = [];
  const get = (page: { cursor?: string }) => backupPage(client, db, { limit: "200", ...page });
  for await (const { backups } of pagesOf(get)) all.push(...backups);
  return all;
}
