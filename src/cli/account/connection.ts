import { sendsTokenInClear } from "../../plan/transport.ts";
import { CliError, EXIT } from "../exit.ts";
import { workingFolder } from "../files/folder.ts";
import { type Profiles, profileNamed, readProfiles } from "./profiles.ts";
import { readProject } from "./project.ts";

/** The address of a Nightjar, and a token of it. */
export interface Connection {
  readonly url: string;
  readonly token: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Find Nightjar's address and a token: from the environment, from a profile, or for the address that the
 * repository names. A token is sent only to the address that it was given for.
 *
 * @throws CliError `usage` with the way to sign in
 */
export function findConnection(env: Environment): Connection {
  const { NIGHTJAR_URL: url, NIGHTJAR_TOKEN: token, NIGHTJAR_PROFILE: name } = env;
  if (!url && !token) return fromProfile(env, name || undefined);
  if (name)
    throw new CliError(
      EXIT.usage,
      `${url ? "NIGHTJAR_URL" : "NIGHTJAR_TOKEN"} is set, which would win over the profile ${name}.`,
      { hint: "Unset it, or leave the profile out." },
    );
  if (!url)
    throw new CliError(EXIT.usage, "NIGHTJAR_TOKEN is set, and NIGHTJAR_URL is not.", {
      hint: "Set both: no file of a repository decides where a token of the environment is sent.",
    });
  const address = checkAddress("NIGHTJAR_URL", url);
  if (!token) {
    const known = tokenFor(readProfiles(env), address);
    if (known !== undefined) return { url: address, token: known };
    throw new CliError(EXIT.usage, "NIGHTJAR_TOKEN must be set.", {
      hint: `It is ADMIN_TOKEN or a token of this Nightjar. Or sign in with: nightjar login ${address}`,
    });
  }
  refuseUnsendable("NIGHTJAR_TOKEN", token);
  return { url: address, token };
}

function fromProfile(env: Environment, name: string | undefined): Connection {
  const profiles = readProfiles(env);
  if (name !== undefined) return profileNamed(profiles, name);
  const project = readProject(workingFolder(env));
  if (project?.url !== undefined) {
    const url = checkAddress(project.file, project.url);
    const token = tokenFor(profiles, url);
    if (token !== undefined) return { url, token };
    throw new CliError(
      EXIT.usage,
      `You are not signed in to ${url}, which ${project.file} names.`,
      {
        hint: `Sign in with: nightjar login ${url}`,
      },
    );
  }
  if (profiles.current !== null) return profileNamed(profiles, profiles.current);
  throw new CliError(EXIT.usage, "You are not signed in to a Nightjar.", {
    hint: "Sign in with: nightjar login <url>. Or set NIGHTJAR_URL and NIGHTJAR_TOKEN.",
  });
}

/** Find the token of an address: that of the current profile before others. */
function tokenFor({ current, profiles }: Profiles, url: string): string | undefined {
  const names = Object.keys(profiles).filter((name) => profiles[name]!.url === url);
  const name = names.find((one) => one === current) ?? names[0];
  return name === undefined ? undefined : profiles[name]!.token;
}

/**
 * Check the address of a Nightjar, and write it as it is compared: without a slash at its end.
 *
 * @param what where it comes from, for people
 * @throws CliError `usage`
 */
export function checkAddress(what: string, url: string): string {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new CliError(EXIT.usage, `${what} must start with https:// or http://.`);
  const { username, password } = new URL(url);
  if (username + password !== "")
    throw new CliError(EXIT.usage, `${what} must hold no credentials.`, {
      hint: "A token of Nightjar is the only one that it takes.",
    });
  refuseClearToken(what, url, "the token");
  return url.replace(/\/+$/, "");
}

/** @throws CliError `usage` where a token would cross the network without TLS; never quotes it */
export function refuseClearToken(what: string, url: string, token: string): void {
  if (!sendsTokenInClear(url)) return;
  throw new CliError(
    EXIT.usage,
    `${what} is an address without TLS on another machine: everybody on the way could read ${token}.`,
    { hint: "Use https://. http:// is taken for this machine only (localhost, 127.0.0.1, [::1])." },
  );
}

/** @throws CliError `usage` for a token that no HTTP header can hold; never quotes it */
export function refuseUnsendable(name: string, token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return;
  throw new CliError(
    EXIT.usage,
    `${name} holds a space, a line break or another character that no token has.`,
    {
      hint: "Copy the token again, without quotes around it.",
    },
  );
}
