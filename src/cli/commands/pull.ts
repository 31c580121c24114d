import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, type Client, connection } from "../client.ts";
import { type Digest, digestIn, saveVerified } from "../download.ts";
import { findBackup, makeLink } from "../link.ts";
import { printJson, size } from "../output.ts";
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
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    if (args.output !== undefined) await refuseTarget(target(args.output), args.force);
    const { url, digest, asOf } = await find(client, args.database, args.at, args.format);
    const file = target(args.output ?? `${args.database}.${args.format}`);
    await refuseTarget(file, args.force);
    const bytes = await saveVerified(url, digest, file, args.json);
    if (args.json) printJson({ file, bytes, asOf });
    else console.log(`${file}: ${size(bytes)}, as of ${asOf}.`);
  },
});

/** A link to what is wanted, what it must hash to, and the moment that it stands for. */
async function find(
  client: Client,
  db: string,
  at: string | undefined,
  format: string,
): Promise<{ url: string; digest: Digest | undefined; asOf: string }> {
  if (at === undefined) {
    const backup = await findBackup(client, db, "latest");
    const { url } = await makeLink(client, backup.id, format, "1h");
    const asOf = backup.snapshot?.committedAt ?? backup.takenAt;
    return { url, digest: digestIn(backup, format), asOf };
  }
  const link = await bodyOf(
    client.v1.databases[":db"].links.$post({
      param: { db },
      json: { at, format, expiresIn: "1h" },
    }),
  );
  return { url: link.url, digest: undefined, asOf: link.moment.committedAt };
}
