import { backup, database, json } from "./line/args.ts";
import type { Client } from "./client.ts";
import { CliError, EXIT } from "./exit.ts";
import { allBackups, findAnyBackup } from "./find-backup.ts";
import { Progress } from "./progress.ts";
import { GOES_ON, ifStopped } from "./files/unfinished.ts";

/** The arguments of a command on one backup of a database, or on every one. */
export const eachArgs = {
  database,
  backup,
  all: { type: "boolean", description: "Every backup of the database", default: false },
  json,
} as const;

/** A backup as the list has it. */
export type Listed = Awaited<ReturnType<typeof allBackups>>[number];

/**
 * Do `act` to the backup that is named, or with --all to every one that is `wanted`, one after the other.
 * The newest may be one that is known to be bad: to look at it again gives nobody its content.
 *
 * @param verb what is being done, for the progress
 * @returns what `act` gave for each, and when the backup was taken
 * @throws CliError for --all and --backup together; whatever `act` throws
 */
export async function eachBackup<T>(
  client: Client,
  args: { database: string; backup: string; all: boolean; json: boolean },
  verb: string,
  act: (id: string) => Promise<T>,
  wanted: (backup: Listed) => boolean = () => true,
): Promise<(T & { takenAt: string })[]> {
  if (args.all && args.backup !== "latest")
    throw new CliError(EXIT.usage, "--all and --backup exclude each other.");
  const found = args.all
    ? (await allBackups(client, args.database)).filter(wanted)
    : [await findAnyBackup(client, args.database, args.backup)];
  const progress = new Progress(args.json);
  const done: (T & { takenAt: string })[] = [];
  for (const { id, takenAt } of found) {
    progress.show(`${verb} ${id} (${done.length + 1} of ${found.length})`);
    done.push({ ...(await ifStopped(GOES_ON, () => act(id))), takenAt });
  }
  progress.end();
  return done;
}
