import * as v from "valibot";
import { NightjarError } from "./errors.ts";

/** One thing that is wrong with the configuration: where, and how to mend it. */
export interface ConfigMistake {
  path: string;
  mend: string;
}

export function configError(mistakes: readonly ConfigMistake[]): NightjarError {
  const lines = mistakes.map(({ path, mend }) => `${path}: ${mend}`);
  return new NightjarError("CONFIG_INVALID", `The configuration is refused. ${lines.join("; ")}`);
}

/**
 * The name of a secret, never the secret.
 *
 * @param example a name as it may look
 * @param reader who would be shown the secret
 */
export const secretName = (example: string, reader: string) =>
  v.pipe(
    v.string(`must be the NAME of a secret, like ${example}`),
    v.regex(
      /^[A-Z][A-Z0-9_]{0,63}$/,
      `must be the NAME of a secret in capitals, like ${example}, never the secret itself: run \`npx wrangler secret put ${example}\` and name it here`,
    ),
    v.check(
      (name) => name !== "ADMIN_TOKEN" && name !== "SIGNING_KEY",
      `must not be Nightjar's own secret: ${reader} would be sent it`,
    ),
  );

/** A variable that is a table of wrangler.toml, or the same as a JSON string. */
export function tableOrJson(
  name: string,
  raw: unknown,
): { value: unknown; mistakes: ConfigMistake[] } {
  if (typeof raw !== "string") return { value: raw, mistakes: [] };
  try {
    return { value: JSON.parse(raw) as unknown, mistakes: [] };
  } catch {
    // The parser's own message quotes the text, which may hold what should have been a secret.
    const mistake = { path: name, mend: "must be valid JSON when it is a string" };
    return { value: undefined, mistakes: [mistake] };
  }
}
