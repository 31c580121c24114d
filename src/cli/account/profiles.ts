import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { CliError, EXIT } from "../exit.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const profilesSchema = v.object({
  /** The profile that is used where none is named. */
  current: v.nullable(v.string()),
  profiles: v.record(v.string(), v.object({ url: v.string(), token: v.string() })),
});

/** Addresses and tokens of Nightjars by the names that the user gave them. */
export type Profiles = v.InferOutput<typeof profilesSchema>;
export type Profile = Profiles["profiles"][string];

/** Form of a profile's name. */
export const PROFILE_NAME = /^[a-z0-9][a-z0-9_-]{0,49}$/i;

/** Return the path of the file of profiles: in the user's own configuration directory. */
export function profilesFile(env: Environment): string {
  const { XDG_CONFIG_HOME: xdg, APPDATA: windows, HOME: home } = env;
  const base = xdg ?? (process.platform === "win32" ? windows : undefined);
  return join(base ?? join(home ?? homedir(), ".config"), "nightjar", "profiles.json");
}

/**
 * Read the profiles; there are none where there is no file.
 *
 * @throws CliError `usage` where the file cannot be read, or holds something else; never quotes it
 */
export function readProfiles(env: Environment): Profiles {
  const file = profilesFile(env);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { current: null, profiles: {} };
    throw unreadable(file, code ?? "it cannot be read");
  }
  try {
    return v.parse(profilesSchema, JSON.parse(text));
  } catch {
    throw unreadable(file, "it is no file of profiles");
  }
}

/** Write the profiles, for their user alone. */
export function writeProfiles(env: Environment, profiles: Profiles): void {
  const file = profilesFile(env);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const made = `${file}.${process.pid}`;
  writeFileSync(made, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: 0o600 });
  chmodSync(made, 0o600);
  renameSync(made, file);
}

/**
 * Return a profile by its name.
 *
 * @throws CliError `usage`
 */
export function profileNamed({ profiles }: Profiles, name: string): Profile {
  if (Object.hasOwn(profiles, name)) return profiles[name]!;
  const names = Object.keys(profiles);
  throw new CliError(EXIT.usage, `There is no profile ${name}.`, {
    hint:
      names.length === 0
        ? `Sign in with: nightjar login <url> --name ${name}`
        : `Your profiles: ${names.join(", ")}. Sign in to another one with: nightjar login <url> --name ${name}`,
  });
}

function unreadable(file: string, why: string): CliError {
  return new CliError(EXIT.usage, `The profiles in ${file} cannot be used: ${why}.`, {
    hint: "Remove the file, and sign in again with: nightjar login <url>",
  });
}
