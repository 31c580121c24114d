import { CliError, EXIT } from "../exit.ts";
import { refuseUnsendable } from "./connection.ts";

/**
 * Read a token from the variable of this name. A token is never given on the command line, where other
 * users of the machine can read it.
 *
 * @throws CliError `usage`
 */
export function readSecret(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new CliError(EXIT.usage, `The variable ${name} is not set.`, {
      hint: "Put the token in the environment, and give its variable's NAME.",
    });
  refuseUnsendable(name, value);
  return value;
}
