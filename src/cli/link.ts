import { bodyOf, type Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { pagesOf } from "./pages.ts";

/**
 * The backup that a command means: by id, or `latest`.
 *
 * @throws CliError with the code `BACKUP_KNOWN_BAD` for `latest` where a proof found the newest bad: then
 *   the hint is the same command for the newest good one; as `bodyOf`
 */
export async function findBackup(client: Client, db: string, backup: string) {
  try {
    return await bodyOf(
      client.v1.databases[":db"].backups[":backup"].$get({ param: { db, backup } }),
    );
  } catch (error) {
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

/** What a link is to allow. */
export interface Terms {
  format: string;
  expiresIn: string;
  maxUses?: number;
  address?: string;
  tables?: string[];
  where?: Record<string, string>;
  only?: "schema" | "data";
  blobs?: "base64" | "hex";
  order?: "stored" | "key";
}

/** Make a download link to a database as it was at a moment. */
export function makeMomentLink(client: Client, db: string, at: string, terms: Terms) {
  const json = { at, ...terms };
  return bodyOf(client.v1.databases[":db"].links.$post({ param: { db }, json }));
}

/** Make a download link for a backup. */
export function makeLink(client: Client, id: string, terms: Terms) {
  return bodyOf(client.v1.backups[":id"].links.$post({ param: { id }, json: terms }));
}

function backupPage(client: Client, db: string, query: { limit: string; cursor?: string }) {
  return bodyOf(client.v1.databases[":db"].backups.$get({ param: { db }, query }));
}

/** Every backup of a database, the newest first. */
export async function allBackups(client: Client, db: string) {
  const all: Awaited<ReturnType<typeof backupPage>>["backups"] = [];
  const get = (page: { cursor?: string }) => backupPage(client, db, { limit: "200", ...page });
  for await (const { backups } of pagesOf(get)) all.push(...backups);
  return all;
}
