import { text } from "node:stream/consumers";
import { defineCommand } from "citty";
import { checkAddress, refuseUnsendable } from "../../account/connection.ts";
import { PROFILE_NAME, profilesFile, readProfiles, writeProfiles } from "../../account/profiles.ts";
import { sendsTokenInClear } from "../../../plan/transport.ts";
import { json } from "../../line/args.ts";
import { apiClient, bodyOf } from "../../client.ts";
import { CliError, EXIT } from "../../exit.ts";
import { moment, print, printJson } from "../../output.ts";
import { askSecret } from "../../terminal.ts";

export default defineCommand({
  meta: {
    name: "login",
    description:
      "Sign in to a Nightjar: its token is read from standard input or asked for, and stored for you alone",
  },
  args: {
    url: { type: "positional", description: "The Worker's address", required: true },
    name: { type: "string", description: "The name of this profile", default: "default" },
    json,
  },
  async run({ args }) {
    const { name } = args;
    if (!PROFILE_NAME.test(name))
      throw new CliError(EXIT.usage, "--name must be of letters, digits, - and _.");
    const url = checkAddress("The address", withScheme(args.url));
    const profiles = readProfiles(process.env);
    const token = await readToken();
    refuseUnsendable("The token", token);
    const caller = await bodyOf(apiClient({ url, token }).v1.tokens.current.$get());
    writeProfiles(process.env, {
      current: name,
      profiles: { ...profiles.profiles, [name]: { url, token } },
    });
    if (args.json) return printJson({ profile: name, url, ...caller });
    const until = caller.expiresAt === null ? "" : `, until ${moment(caller.expiresAt)}`;
    const which = caller.databases === null ? "all databases" : caller.databases.join(", ");
    print(`Signed in to ${url} as ${caller.name} (${caller.scopes.join(", ")}: ${which})${until}.`);
    print(`The profile ${name} is in ${profilesFile(process.env)}, and is used from now on.`);
  },
});

/** An address as people write it may have no scheme. */
function withScheme(url: string): string {
  if (/^[a-z]+:\/\//i.test(url)) return url;
  return sendsTokenInClear(`http://${url}`) ? `https://${url}` : `http://${url}`;
}

async function readToken(): Promise<string> {
  const token = process.stdin.isTTY
    ? await askSecret("The token (it is not shown): ")
    : await text(process.stdin);
  if (token.trim() !== "") return token.trim();
  throw new CliError(EXIT.usage, "There is no token on standard input.", {
    hint: "Make one with: nightjar token create <name>. ADMIN_TOKEN is one, too.",
  });
}
