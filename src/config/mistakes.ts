import { NightjarError } from "../errors/errors.ts";

/** One thing that is wrong with the configuration: where, and how to fix it. */
export interface ConfigMistake {
  path: string;
  fix: string;
}

export function configError(mistakes: readonly ConfigMistake[]): NightjarError {
  const words = wordsOfMistakes(mistakes);
  return new NightjarError("CONFIG_INVALID", `The configuration is refused. ${words}`);
}

/** Every mistake with its path, on one line. */
export function wordsOfMistakes(mistakes: readonly ConfigMistake[]): string {
  return mistakes.map(({ path, fix }) => `${path}: ${fix}`).join("; ");
}
