import { readFile } from "node:fs/promises";
import { messageOf } from "../../errors/errors.ts";
import { CliError, EXIT } from "../exit.ts";
import { target } from "../restore/target.ts";

/** The argument that names a file of identities. */
export const identityFile = {
  type: "string",
  description: "A file of age identities, as age-keygen writes it, that opens an encrypted backup",
  valueHint: "file",
} as const;

/**
 * The identities in a file, one a line among comments.
 *
 * @throws CliError `usage` when it cannot be read or holds none; never quotes it
 */
export async function readIdentities(path: string): Promise<string[]> {
  const text = await readFile(target(path), "utf8").catch((thrown: unknown) => {
    throw new CliError(EXIT.usage, `The identity file cannot be read: ${messageOf(thrown)}`);
  });
  if (/^(age-encryption\.org\/|-----BEGIN AGE)/.test(text))
    throw new CliError(EXIT.usage, `${path} is itself encrypted with a passphrase.`, {
      hint: "Open it first: age -d identity.age > identity.txt",
    });
  const { identityMistake } = await import("../../format/age/age.ts");
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const identities = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const bad = identities.findIndex((line) => identityMistake(line) !== undefined);
  if (identities.length === 0 || bad !== -1)
    throw new CliError(EXIT.usage, `${path} is not a file of age identities.`, {
      hint: "Each line that is no comment must start with AGE-SECRET-KEY-: make one with age-keygen.",
    });
  return identities;
}
