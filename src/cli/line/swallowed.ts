import { CliError, EXIT } from "../exit.ts";

/** The scripts of package.json that take options. */
const SCRIPTS: ReadonlySet<string | undefined> = new Set(["nightjar", "setup", "deploy"]);

/**
 * Refuse a line whose options npm has kept for itself: `npm run nightjar prune --dry-run` runs
 * `nightjar prune`. npm tells of them in variables, such as `npm_config_dry_run`.
 *
 * @param options the names of options that would have a meaning, without their hyphens
 * @throws CliError `usage`
 */
export function refuseSwallowed(
  options: Iterable<string>,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): void {
  const { npm_package_name: own, npm_lifecycle_event: script } = env;
  if (own !== "nightjar" || !SCRIPTS.has(script)) return;
  const swallowed = [...options].find(
    (name) => env[`npm_config_${name.replaceAll("-", "_")}`] !== undefined && !isGiven(name, argv),
  );
  if (swallowed === undefined) return;
  const flag = swallowed.length === 1 ? `-${swallowed}` : `--${swallowed}`;
  const call = script === "nightjar" ? "npx nightjar" : `npm run ${script} --`;
  throw new CliError(EXIT.usage, `npm has kept ${flag} for itself: nothing was done.`, {
    hint: `Write \`${call}\` in front of it, and npm hands the options on.`,
  });
}

function isGiven(name: string, argv: readonly string[]): boolean {
  const flag = name.length === 1 ? `-${name}` : `--${name}`;
  return argv.some((given) => given === flag || given.startsWith(`${flag}=`));
}
