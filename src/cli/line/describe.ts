import { COMMANDS, loadCommand } from "./registry.ts";

/** An argument of a command, for its documentation and its completion. */
export interface DescribedArg {
  readonly name: string;
  readonly alias: string | undefined;
  readonly isPositional: boolean;
  readonly isRequired: boolean;
  /** What stands for its value; undefined for a switch. */
  readonly value: string | undefined;
  readonly description: string;
  readonly default: string | undefined;
}

/** A command, for its documentation and its completion. */
export interface Described {
  readonly name: string;
  readonly description: string;
  readonly args: readonly DescribedArg[];
}

/** Describe every command, in the order of the help. */
export async function describeCommands(): Promise<Described[]> {
  return Promise.all(
    Object.keys(COMMANDS).map(async (name) => {
      const { command, args } = await loadCommand(name);
      const { description = "" } = (await command.meta) as { description?: string };
      return {
        name,
        description,
        args: Object.entries(args).map(([arg, about]) => {
          const isPositional = about.type === "positional";
          const alias = "alias" in about ? [about.alias].flat()[0] : undefined;
          const { default: preset } = about as { default?: unknown };
          const switched = about.type === "boolean" && preset === true ? `no-${arg}` : arg;
          return {
            name: isPositional ? arg : switched,
            ...{ alias, isPositional },
            isRequired: isPositional ? about.required !== false : about.required === true,
            value: about.type === "boolean" ? undefined : (about.valueHint ?? "text"),
            description: about.description ?? "",
            default: about.type === "string" && typeof preset === "string" ? preset : undefined,
          };
        }),
      };
    }),
  );
}

/** Return how a command is called, as `nightjar pull <database>`. */
export function usageOf({ name, args }: Described): string {
  const places = args
    .filter(({ isPositional }) => isPositional)
    .map((arg) => (arg.isRequired ? `<${arg.name}>` : `[${arg.name}]`));
  return ["nightjar", name, ...places].join(" ");
}

/** Return how an option is written, as `-o, --output <file>`. */
export function optionOf({ name, alias, value }: DescribedArg): string {
  const short = alias === undefined ? "" : `-${alias}, `;
  return `${short}--${name}${value === undefined ? "" : ` <${value}>`}`;
}
