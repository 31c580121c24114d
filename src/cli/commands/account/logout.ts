import { defineCommand } from "citty";
import { profileNamed, readProfiles, writeProfiles } from "../../account/profiles.ts";
import { CliError, EXIT } from "../../exit.ts";
import { print } from "../../output.ts";

export default defineCommand({
  meta: { name: "logout", description: "Forget a profile and its token on this machine" },
  args: {
    name: { type: "string", description: "The profile; default: the one in use" },
  },
  run({ args }) {
    const { current, profiles } = readProfiles(process.env);
    const name = args.name ?? current;
    if (name === null) throw new CliError(EXIT.usage, "You are not signed in to a Nightjar.");
    const { url } = profileNamed({ current, profiles }, name);
    const left = Object.fromEntries(Object.entries(profiles).filter(([one]) => one !== name));
    writeProfiles(process.env, {
      current: current === name ? (Object.keys(left)[0] ?? null) : current,
      profiles: left,
    });
    print(`The token of ${name} (${url}) is forgotten here. It stays valid until it is revoked.`);
  },
});
