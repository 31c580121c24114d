import { CliError, EXIT } from "../exit.ts";

/** Arguments that several commands share. */
export const database = {
  type: "positional",
  description: "The database's configured name",
  required: true,
} as const;

export const json = {
  type: "boolean",
  description: "Print JSON for programs",
  default: false,
} as const;

export const backup = {
  type: "string",
  description:
    "A backup: its id or the start of it, its name, latest, latest-verified or latest-drilled",
  default: "latest",
  valueHint: "backup",
} as const;

export const momentArg = {
  type: "string",
  description: "A moment of the page log: 2026-11-20T14:03:00Z, -2h (two hours ago) or yesterday",
  valueHint: "moment",
} as const;

export const migration = {
  type: "string",
  description: "The newest backup with this in its migration's name, like 0042",
  valueHint: "name",
} as const;

export const profile = {
  type: "string",
  description: "Sign in as this profile: see nightjar login",
  valueHint: "name",
} as const;

export const overwrite = {
  type: "boolean",
  description: "Replace the file if it is there",
  default: false,
} as const;

export const sanitize = {
  type: "boolean",
  description: "Mask values by the database's rules",
  default: false,
} as const;

/**
 * Read an option that is one of some words.
 *
 * @throws CliError `usage`
 */
export function choiceOf<T extends string>(
  option: string,
  words: readonly T[],
  text: string | undefined,
): T | undefined {
  const chosen = words.find((word) => word === text);
  if (text === undefined || chosen !== undefined) return chosen;
  throw new CliError(EXIT.usage, `${option} must be one of ${words.join(", ")}.`);
}

/** Filters of a list, whose words the server checks. */
export type Filter = Record<string, string | undefined>;

/** The arguments that were given. */
export function given<T extends object>(args: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** @throws CliError `usage` where both a backup and a moment are named */
export function refuseBoth({ backup: id, at }: { backup: string; at?: string | undefined }): void {
  if (at !== undefined && id !== "latest")
    throw new CliError(EXIT.usage, "--at and --backup exclude each other.");
}
