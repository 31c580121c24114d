import { defineCommand } from "citty";
import { given, json } from "../../line/args.ts";
import { bodyOf, type Client, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import type { DatabaseAnswer } from "../../../http/views.ts";
import { showCost } from "../../show-cost.ts";
import { copyWord, moment, paint, print, printJson, printTable, size } from "../../output.ts";
import { printWarnings } from "../../warnings.ts";

const STYLES = {
  fresh: "green",
  late: "yellow",
  unverified: "yellow",
  failed: "red",
  corrupt: "red",
  misconfigured: "red",
  none: "dim",
  "not configured": "dim",
} as const;

export default defineCommand({
  meta: { name: "status", description: "Show the state of every database" },
  args: {
    database: { type: "positional", description: "Only this database", required: false },
    cost: { type: "boolean", description: "Show what each costs in a month", default: false },
    check: {
      type: "boolean",
      description: "Exit with 1 unless every database is fresh: for CI",
      default: false,
    },
    json,
  },
  async run({ args }) {
    const client = signIn();
    if (args.cost) return showCost(client, args.database, args.json);
    const databases =
      args.database === undefined
        ? (await bodyOf(client.v1.databases.$get())).databases
        : [await bodyOf(client.v1.databases[":db"].$get({ param: { db: args.database } }))];
    const unwell = args.check ? databases.filter(isUnwell) : [];
    if (args.json) printJson({ databases });
    else await show(client, databases, args.database);
    if (unwell.length === 0) return;
    const names = unwell.map(({ name, state }) => `${name} is ${state}`);
    throw new CliError(EXIT.failed, `${names.join(", ")}.`, {
      code: "NOT_HEALTHY",
      hint: "`nightjar runs <database>` tells how its last runs went.",
    });
  },
});

/** True if a database is not as it should be. One that is not configured any more is nobody's care. */
function isUnwell({ state }: { readonly state: keyof typeof STYLES }): boolean {
  return state !== "fresh" && state !== "not configured";
}

type Databases = readonly DatabaseAnswer[];

async function show(client: Client, databases: Databases, database?: string): Promise<void> {
  if (databases.length === 0)
    return print("No database is configured yet: see docs/configuration.md.");
  const copies = databases.some(({ newestBackup }) => newestBackup?.copy != null);
  printTable([
    [
      "database",
      "state",
      "backups",
      "newest backup",
      "last drill passed",
      "size",
      "stored",
      ...(copies ? ["copy"] : []),
      "log up to",
      "next",
    ],
    ...databases.map(
      ({
        name,
        state,
        backups,
        newestBackup: newest,
        newestDrilled: drilled,
        nextScheduledAt: next,
        log,
      }) => [
        name,
        paint(STYLES[state], state),
        String(backups),
        newest === null ? "none" : moment(newest.takenAt),
        drilled === null ? "" : moment(drilled.takenAt),
        newest === null ? "" : size(newest.raw.bytes),
        newest === null ? "" : size(newest.stored.bytes),
        ...(copies ? [copyWord(newest?.copy ?? null)] : []),
        log === null ? "" : moment(log.checkedAt),
        next === null ? "never" : moment(next),
      ],
    ),
  ]);
  for (const { newestBackup } of databases) if (newestBackup !== null) printWarnings(newestBackup);
  for (const { name, refresh } of databases)
    if (refresh) print(`${name}: ${refreshWords(refresh)}`);
  for (const { name, mistakes } of databases)
    if (mistakes.length > 0) {
      print();
      print(
        `${name}: its configuration is wrong, and nothing is done for it. Fix and deploy again:`,
      );
      for (const { path, fix } of mistakes) print(`  ${path}: ${fix}`);
    }
  const query = {
    limit: "50",
    open: "true" as const,
    ...given({ database }),
  };
  const { incidents } = await bodyOf(client.v1.alerts.$get({ query }));
  if (incidents.length > 0) {
    print();
    print("Wrong now (`nightjar alert list`):");
    for (const { severity, title } of incidents)
      print("  ", paint(severity === "critical" ? "red" : "yellow", title));
  }
  for (const { name, lastRun, follow, newestBackup, refresh } of databases) {
    if (lastRun !== null && lastRun.error !== null) printError(name, lastRun.error);
    if (follow !== null && follow.error !== null)
      printError(`${name}: not followed, ${follow.failures} tries failed`, follow.error);
    if (newestBackup?.copy?.error != null)
      printError(`${name}: newest backup not copied`, newestBackup.copy.error);
    if (refresh?.last?.error != null)
      printError(`${name}: ${refresh.into} not refreshed`, refresh.last.error);
  }
}

/** Tell what the target of a refresh holds, and how the last one went. */
function refreshWords({ into, last, lastGood }: NonNullable<DatabaseAnswer["refresh"]>): string {
  const holds =
    lastGood === null
      ? `${into} was not refreshed yet`
      : `${into} was refreshed ${moment(lastGood.endedAt!)}, as of ${moment(lastGood.asOf)}`;
  const now =
    last === null || last.id === lastGood?.id ? "" : `; the last refresh is ${last.state}`;
  return `${holds}${now}.`;
}

function printError(where: string, error: { message: string; code: string; hint: string }): void {
  print();
  print(`${where}: ${error.message} [${error.code}]`);
  print(`  ${error.hint}`);
}
