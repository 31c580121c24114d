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
