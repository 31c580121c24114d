import { defineCommand } from "citty";
import { profileNamed, readProfiles, writeProfiles } from "../../account/profiles.ts";
import { json } from "../../line/args.ts";
import { print, printJson, printTable } from "../../output.ts";

export default defineCommand({
  meta: { name: "profiles", description: "List the Nightjars that you are signed in to" },
  args: {
    use: { type: "string", description: "Use this profile from now on", valueHint: "name" },
    json,
  },
  run({ args }) {
    const found = readProfiles(process.env);
    if (args.use !== undefined) {
      profileNamed(found, args.use);
      writeProfiles(process.env, { ...found, current: args.use });
    }
    const current = args.use ?? found.current;
    const profiles = Object.entries(found.profiles).map(([name, { url }]) => ({ name, url }));
    if (args.json) return printJson({ current, profiles });
    if (profiles.length === 0)
      return print("You are signed in to none. Sign in with: nightjar login <url>");
    printTable([
      ["", "name", "address"],
      ...profiles.map(({ name, url }) => [name === current ? "*" : "", name, url]),
    ]);
  },
});
