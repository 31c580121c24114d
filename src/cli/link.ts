import { bodyOf, type Client } from "./client.ts";

/** The backup that a command means: by id, or `latest`. */
export function findBackup(client: Client, db: string, backup: string) {
  return bodyOf(client.v1.databases[":db"].backups[":backup"].$get({ param: { db, backup } }));
}

/** Make a download link for a backup. */
export function makeLink(client: Client, id: string, format: string, expiresIn: string) {
  return bodyOf(
    client.v1.backups[":id"].links.$post({ param: { id }, json: { format, expiresIn } }),
  );
}

function backupPage(client: Client, db: string, cursor: string | undefined) {
  const query = { limit: "200", ...(cursor === undefined ? {} : { cursor }) };
  return bodyOf(client.v1.databases[":db"].backups.$get({ param: { db }, query }));
}

/** Every backup of a database, the newest first. */
export async function allBackups(client: Client, db: string) {
  const all: Awaited<ReturnType<typeof backupPage>>["backups"] = [];
  for (let cursor: string | undefined; ;) {
    const page = await backupPage(client, db, cursor);
    all.push(...page.backups);
    if (page.next === null) return all;
    cursor = page.next;
  }
}
