import type { ArgsDef } from "citty";
import { DAY, parseDuration } from "../../plan/duration.ts";
import { CliError, EXIT } from "../exit.ts";

/** Options that name a moment. */
const MOMENTS: ReadonlySet<string> = new Set(["at", "since", "until"]);
/** A backup named by its migration, as `findBackup` takes it. */
export const BY_MIGRATION = "migration:";

/** What the short forms of a line stand for. */
export interface Surroundings {
  /** Ms since the epoch. */
  readonly now: number;
  /** The database of the repository that the user is in (nightjar.json). */
  readonly database: string | undefined;
}

/**
 * Write the short forms of a line out: `-2h` and `yesterday` become moments, `--migration` a backup, and a
 * database that is left out is that of the repository.
 *
 * @returns the line, and the profile that it names
 * @throws CliError `usage`
 */
export function writeOut(
  argv: readonly string[],
  args: ArgsDef,
  { now, database }: Surroundings,
): { rest: string[]; profile: string | undefined } {
  const rest: string[] = [];
  let profile: string | undefined;
  let isBackupGiven = false;
  let migration: string | undefined;
  const literal = argv.indexOf("--");
  for (let at = 0; at < argv.length; at++) {
    if (/^-\d+[a-z]+$|^yesterday$/.test(argv[at]!) && takesMoments(args)) {
      rest.push(momentOf(argv[at]!, now));
      continue;
    }
    const [, name, joined] = /^--([a-z-]+)(?:=([^]*))?$/.exec(argv[at]!) ?? [];
    const isOption = name !== undefined && (literal === -1 || at < literal);
    if (!isOption || !(name in args)) {
      rest.push(argv[at]!);
      continue;
    }
    if (name === "backup") isBackupGiven = true;
    const takesMoment = MOMENTS.has(name);
    const isOurs = name === "profile" || (name === "migration" && "backup" in args) || takesMoment;
    const value = joined ?? argv[at + 1];
    if (!isOurs || value === undefined) {
      rest.push(argv[at]!);
      continue;
    }
    if (joined === undefined) at++;
    if (takesMoment) rest.push(`--${name}=${momentOf(value, now)}`);
    else if (name === "profile") profile = value;
    else migration = value;
  }
  if (migration !== undefined) {
    if (isBackupGiven)
      throw new CliError(EXIT.usage, "--migration and --backup exclude each other.");
    rest.push(`--backup=${BY_MIGRATION}${migration}`);
  }
  return { rest: withDatabase(rest, args, database), profile };
}

/** Return true if arguments of a command may be moments: those of a diff. */
function takesMoments({ from }: ArgsDef): boolean {
  return from?.type === "positional";
}

/** Read a moment that is told from now; any other text is left to the server. */
function momentOf(text: string, now: number): string {
  const ago = text === "yesterday" ? DAY : text.startsWith("-") ? parseDuration(text.slice(1)) : 0;
  if (ago === undefined)
    throw new CliError(EXIT.usage, `${text} is no moment.`, {
      hint: "Give it as -90s, -15m, -2h or -3d from now, as yesterday, or like 2026-11-20T14:03:00Z.",
    });
  return ago === 0 ? text : new Date(now - ago).toISOString();
}

/** Put the database in front of arguments that are one too few. */
function withDatabase(rest: string[], args: ArgsDef, database: string | undefined): string[] {
  if (database === undefined) return rest;
  const places = Object.entries(args).filter(([, { type }]) => type === "positional");
  const [first] = places;
  if (first?.[0] !== "database" || first[1].required === false) return rest;
  const given = countPositionals(rest, args);
  return given === places.filter(([, { required }]) => required !== false).length - 1
    ? [database, ...rest]
    : rest;
}

/** Count the arguments that are neither options nor their values. */
function countPositionals(rest: readonly string[], args: ArgsDef): number {
  let count = 0;
  for (let at = 0; at < rest.length; at++) {
    const text = rest[at]!;
    if (text === "--") return count + rest.length - at - 1;
    if (!text.startsWith("-") || text === "-") count++;
    else if (!text.includes("=") && takesValue(text.replace(/^-+/, ""), args)) at++;
  }
  return count;
}

function takesValue(name: string, args: ArgsDef): boolean {
  return Object.entries(args).some(
    ([known, arg]) =>
      arg.type === "string" && (known === name || ("alias" in arg && arg.alias === name)),
  );
}
