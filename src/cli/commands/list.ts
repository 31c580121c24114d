import { defineCommand } from "citty";
import { database, json } from "../args.ts";
import { apiClient, bodyOf, connection } from "../client.ts";
import { copyWord, moment, printJson, printTable, size } from "../output.ts";

/** When it was taken, and the last commit that is in it. */
interface Timed {
  takenAt: string;
  snapshot: { committedAt: string } | null;
}

interface Noted {
  encryption?: object | undefined;
  name: string | null;
  pin: object | null;
  warnings: readonly object[];
}

export default defineCommand({
  meta: { name: "list", description: "List a database's backups, newest first" },
  args: {
    database,
    limit: { type: "string", description: "How many, up to 200", default: "20" },
    cursor: { type: "string", description: "The `next` that an earlier page ended with" },
    json,
  },
  async run({ args }) {
    const client = apiClient(connection(process.env));
    const { limit, cursor } = args;
    const page = await bodyOf(
      client.v1.databases[":db"].backups.$get({
        param: { db: args.database },
        query: cursor === undefined ? { limit } : { limit, cursor },
      }),
    );
    if (args.json) return printJson(page);
    if (page.backups.length === 0)
      return console.log(
        `${args.database} has no backups yet. Make one with: nightjar backup ${args.database}`,
      );
    const copies = page.backups.some(({ copy }) => copy !== null);
    const asOf = ({ snapshot, takenAt }: Timed) => moment(snapshot?.committedAt ?? takenAt);
    const older = page.backups.some((backup) => asOf(backup) !== moment(backup.takenAt));
    printTable([
      [
        "id",
        "taken",
        ...(older ? ["as of"] : []),
        "tier",
        "kind",
        "rows",
        "size",
        "stored",
        ...(copies ? ["copy"] : []),
        "name",
      ],
      ...page.backups.map((backup) => [
        backup.id,
        moment(backup.takenAt),
        ...(older ? [asOf(backup)] : []),
        backup.tier,
        backup.kind,
        String(backup.rows),
        size(backup.raw.bytes),
        size(backup.stored.bytes),
        ...(copies ? [copyWord(backup.copy)] : []),
        notes(backup),
      ]),
    ]);
    if (page.next !== null) console.log(`More: --cursor ${page.next}`);
  },
});

/** A backup's name, and what is to be known of it. */
function notes({ name, pin, encryption, warnings }: Noted): string {
  const marks = [
    name ?? "",
    pin === null ? "" : "(pinned)",
    encryption === undefined ? "" : "(encrypted)",
    warnings.length > 0 ? "(has warnings)" : "",
  ];
  return marks.filter(Boolean).join(" ");
}
