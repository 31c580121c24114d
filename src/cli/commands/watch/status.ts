import { defineCommand } from "citty";
import { given, json } from "../../line/args.ts";
import { bodyOf, type Client, signIn } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import type { DatabaseAnswer } from "../../../http/views.ts";
import { allDatabases } from "../../pages.ts";
import { STATES } from "../../../plan/freshness.ts";
import { showCost } from "../../show-cost.ts";
import {
  copyWord,
  moment,
  paint,
  print,
  printJson,
  printTable,
  size,
  STATE_STYLES,
} from "../../output.ts";
import { printWarnings } from "../../warnings.ts";

/** Where there are more databases than this, only those that need somebody are shown. */
const MANY = 100;
/** Databases that an error names. */
const NAMED = 20;

export default defineCommand({
  meta: { name: "status", description: "Show the state of every database" },
  args: {
    database: { type: "positional", description: "Only this database", required: false },
    cost: { type: "boolean", description: "Show what each costs in a month", default: false },
    all: {
      type: "boolean",
      description: "Show the fresh ones too, where there are more than 100",
      default: false,
    },
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
        ? await allDatabases(client)
        : [await bodyOf(client.v1.databases[":db"].$get({ param: { db: args.database } }))];
    const unwell = args.check ? databases.filter(isUnwell) : [];
    if (args.json) printJson({ databases });
    else if (databases.length > MANY && !args.all) await showMany(client, databases);
    else await show(client, databases, args.database);
    if (unwell.length === 0) return;
    throw new CliError(EXIT.failed, `${unwellWords(unwell)}.`, {
      code: "NOT_HEALTHY",
      hint: "`nightjar runs <database>` tells how its last runs went.",
    });
  },
});

/** True if a database is not as it should be. One that is not configured any more is nobody's care. */
function isUnwell({ state }: DatabaseAnswer): boolean {
  return state !== "fresh" && state !== "not configured";
}

type Databases = readonly DatabaseAnswer[];

/** Say which databases are in which state: the first of them by name. */
function unwellWords(unwell: Databases): string {
  const some = unwell.slice(0, NAMED).map(({ name, state }) => `${name} is ${state}`);
  const others = unwell.length - some.length;
  return some.join(", ") + (others === 0 ? "" : `, and ${others} more are not fresh`);
}

/** Show how many databases are in each state, and those that need somebody. */
async function showMany(client: Client, databases: Databases): Promise<void> {
  const counts = new Map<DatabaseAnswer["state"], number>();
  for (const { state } of databases) counts.set(state, (counts.get(state) ?? 0) + 1);
  const words = [...STATES, "not configured" as const].flatMap((state) => {
    const count = counts.get(state);
    return count === undefined ? [] : [", ", paint(STATE_STYLES[state], `${count} ${state}`)];
  });
  print(`${databases.length} databases: `, ...words.slice(1), ".");
  const unwell = databases.filter(isUnwell);
  if (unwell.length === 0) await showIncidents(client, undefined);
  else {
    print();
    await show(client, unwell);
  }
  print();
  print("--all lists them all.");
}

/** Say of a backup how long it has been the present state, if its server said so. */
function showStanding(newest: DatabaseAnswer["newestBackup"]): void {
  if (newest?.confirmed == null) return;
  const { times, at } = newest.confirmed;
  const needless = times === 1 ? "a scheduled backup was" : `${times} scheduled backups were`;
  print(`As of ${moment(at)} nothing had changed since the newest backup: ${needless} not needed.`);
}

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
        paint(STATE_STYLES[state], state),
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
  if (database !== undefined) for (const { newestBackup } of databases) showStanding(newestBackup);
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
  await showIncidents(client, database);
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

async function showIncidents(client: Client, database: string | undefined): Promise<void> {
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
