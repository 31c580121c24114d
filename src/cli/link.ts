import { bodyOf, type Client } from "./client.ts";

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
  sanitize?: boolean;
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
