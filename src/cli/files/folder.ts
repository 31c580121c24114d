/** Return the folder that the user is in: `npm run` works in the project's. */
export function workingFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env["INIT_CWD"] ?? ".";
}
