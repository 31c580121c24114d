import { defineCommand } from "citty";
import { TIERS } from "../../plan/tier.ts";
import { choiceOf, database, given, json } from "../line/args.ts";
import type { KnownBad, ProofSummary } from "../../model/proof.ts";
import { bodyOf, signIn } from "../client.ts";
import {
  copyWord,
  moment,
  paint,
  type Part,
  print,
  printJson,
  printTable,
  size,
} from "../output.ts";

interface Proven {
  knownBad: KnownBad | null;
  verification: Pick<ProofSummary, "outcome"> | null;
  drill: Pick<ProofSummary, "outcome"> | null;
}

/** The time of the capture, and the last commit that is in the backup. */
interface Timed {
  takenAt: string;
  snapshot: { committedAt: string } | null;
}

interface Noted {
  encryption?: object | undefined;
  name: string | null;
  pin: object | null;
  warnings: readonly object[];
  /** The scheduled backups that it stands for because nothing had changed. */
  confirmed?: { at: string } | null;
}

export default defineCommand({
  meta: { name: "list", description: "List a database's backups, newest first" },
  args: {
    database,
    tier: { type: "string", description: `Only of this tier: ${TIERS.join(", ")}` },
    name: { type: "string", description: "Only those with this in their name" },
    label: { type: "string", description: "Only those with this label: a name, or name=value" },
    migration: { type: "string", description: "Only those with this in their migration's name" },
    since: { type: "string", description: "Only those taken since, like 2026-11-20T00:00:00Z" },
    until: { type: "string", description: "Only those taken until then" },
    limit: { type: "string", description: "How many, up to 200", default: "20" },
    cursor: { type: "string", description: "The `next` that an earlier page ended with" },
    json,
  },
  async run({ args }) {
    const client = signIn();
    const { limit, cursor, name, label, migration, since, until } = args;
    const tier = choiceOf("--tier", TIERS, args.tier);
    const filters = given({ tier, name, label, migration, since, until, cursor });
    const page = await bodyOf(
      client.v1.databases[":db"].backups.$get({
        param: { db: args.database },
        query: { limit, ...filters },
      }),
    );
    if (args.json) return printJson(page);
    const isFiltered = Object.keys(filters).length > 0;
    if (page.backups.length === 0)
      return print(
        isFiltered
          ? `No backup of ${args.database} is like that.`
          : `${args.database} has no backups yet. Make one with: nightjar backup ${args.database}`,
      );
    const migrations = page.backups.some(({ schema }) => schema.migration !== null);
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
        "proof",
        ...(migrations ? ["migration"] : []),
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
        proofWord(backup),
        ...(migrations ? [backup.schema.migration?.name ?? ""] : []),
        notes(backup),
      ]),
    ]);
    if (!page.configured)
      print(`${args.database} is not configured: nothing of it is backed up, or deleted.`);
    if (page.next !== null) print(`More: --cursor ${page.next}`);
  },
});

/** Sum the proofs of a backup up in a word. */
function proofWord({ knownBad, verification, drill }: Proven): Part {
  if (knownBad !== null) return paint("red", `BAD: ${knownBad.act} ${knownBad.outcome}`);
  if (drill?.outcome === "passed") return paint("green", "drilled");
  return verification === null ? "" : verification.outcome;
}

/** A backup's name, and what is to be known of it. */
function notes({ name, pin, encryption, warnings, confirmed }: Noted): string {
  const marks = [
    name ?? "",
    pin === null ? "" : "(pinned)",
    encryption === undefined ? "" : "(encrypted)",
    confirmed == null ? "" : `(unchanged until ${moment(confirmed.at)})`,
    warnings.length > 0 ? "(has warnings)" : "",
  ];
  return marks.filter(Boolean).join(" ");
}
