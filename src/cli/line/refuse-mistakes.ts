import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import type { ArgsDef } from "citty";
import { messageOf } from "../../errors/errors.ts";
import { CliError, EXIT } from "../exit.ts";
import { nearest } from "../../plan/nearest.ts";

/** Form of the name of a database or the id of a run. Anything else would change the request's address. */
const NAME = /^[\w-]+$/;
/** Arguments that are no such name. */
const TEXTS: ReadonlySet<string | undefined> = new Set([
  "sql",
  "link",
  "url",
  "shell",
  "folder",
  "from",
  "to",
  "table",
  "key",
]);
/** Options that may be given more than once. */
const REPEATED: ReadonlySet<string> = new Set(["where"]);

/**
 * citty passes over options that it does not know, arguments too many and values that are missing.
 * Node's strict parser reads the same line first, so that a slip is told and not half obeyed.
 *
 * @throws CliError `usage`
 */
export function refuseMistakes(command: string, argv: readonly string[], args: ArgsDef): void {
  const hint = `See nightjar ${command} --help.`;
  const options: ParseArgsOptionsConfig = {};
  const places: string[] = [];
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") places.push(name);
    else {
      const short = "alias" in arg && typeof arg.alias === "string" ? { short: arg.alias } : {};
      options[name] = {
        type: arg.type === "boolean" ? "boolean" : "string",
        multiple: true,
        ...short,
      };
    }
  }
  const { values, positionals } = strictly(argv, options, hint);
  if (positionals.length > places.length)
    throw new CliError(EXIT.usage, `${command} does not take "${positionals[places.length]}".`, {
      hint,
    });
  for (const [name, given] of Object.entries(values)) {
    if (Array.isArray(given) && given.length > 1 && !REPEATED.has(name))
      throw new CliError(EXIT.usage, `--${name} is given more than once.`, { hint });
    if ([given].flat().includes(""))
      throw new CliError(EXIT.usage, `--${name} needs a value.`, { hint });
  }
  const names = positionals.filter((_, at) => !TEXTS.has(places[at]));
  for (const name of names)
    if (!NAME.test(name)) throw new CliError(EXIT.usage, `"${name}" is no name or id.`, { hint });
}

/** The options of a command, with their short names. */
export function optionsOf(args: ArgsDef): string[] {
  return Object.entries(args).flatMap(([name, arg]) => {
    if (arg.type === "positional") return [];
    return "alias" in arg && typeof arg.alias === "string" ? [name, arg.alias] : [name];
  });
}

function strictly(argv: readonly string[], options: ParseArgsOptionsConfig, hint: string) {
  const config = { args: [...argv], options, strict: true, allowPositionals: true } as const;
  try {
    return parseArgs({ ...config, allowNegative: true });
  } catch (error) {
    const message = messageOf(error)
      .replace(/(\n|\. To specify )[^]*/, ".")
      .replace(/\.?$/, ".");
    const unknown = /^Unknown option '--([^']+)'/.exec(message)?.[1];
    const near = unknown === undefined ? undefined : nearest(unknown, Object.keys(options));
    throw new CliError(EXIT.usage, message, {
      hint: near === undefined ? hint : `Did you mean --${near}? ${hint}`,
    });
  }
}
