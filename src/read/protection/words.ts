import { iso } from "../../core/iso.ts";
import type { ConfigMistake } from "../../config/mistakes.ts";
import type { Freshness } from "../../plan/freshness.ts";
import type { Entry } from "./entries.ts";

const STATE_WORDS: Readonly<Record<Exclude<Freshness, "misconfigured">, (name: string) => string>> =
  {
    none: (name) => `It has no backup yet: \`nightjar backup ${name}\` makes one.`,
    corrupt: (name) =>
      `Its newest backup is bad: \`nightjar proofs ${name}\` tells what was found, and \`nightjar backup ${name}\` makes another one.`,
    failed: (name) => `Its last run failed: \`nightjar runs ${name}\` tells why.`,
    late: (name) => `Its newest backup is overdue: \`nightjar runs ${name}\` tells why.`,
    unverified: (name) =>
      `Its newest backup is not verified yet: \`nightjar verify ${name}\` reads it back.`,
    fresh: () => "It has a fresh backup that is known to be good.",
  };

/**
 * Say in one sentence how a database is protected, or why it is not and what to do.
 *
 * @param state how its backups are; undefined for one that is not protected
 * @param tursoMistakes what is wrong in the section `TURSO`
 */
export function wordsOf(
  entry: Entry,
  state: Freshness | undefined,
  tursoMistakes: readonly ConfigMistake[],
): string {
  const { name, group, why, settings, goneAt } = entry;
  switch (why) {
    case "group":
      return `\`groups\` of TURSO does not have its group, ${group}: add the group, or name the database in DATABASES.`;
    case "not-included":
      return "No pattern in `include` of TURSO fits its name: add one, or name the database in DATABASES.";
    case "excluded":
      return "A pattern in `exclude` of TURSO fits its name: remove the pattern if the database is to be protected.";
    case "name-taken":
      return `DATABASES has another database named ${name}: give that entry another name, or name this one in DATABASES under another name.`;
    case "gone":
      return `Turso has not listed it since ${iso(goneAt!)}: its backups stay, and no new ones are made.`;
    case "misconfigured":
      return `Its configuration is wrong, and nothing is done for it: fix ${mistakeWords(settings?.mistakes ?? tursoMistakes)}, and deploy again.`;
    case "configured":
      return `DATABASES protects it as ${settings!.name}. ${stateWords(settings!.name, state)}`;
    case undefined:
      return stateWords(name, state);
  }
}

function stateWords(name: string, state: Freshness | undefined): string {
  if (state === undefined || state === "misconfigured")
    return `That entry is wrong, and nothing is done for it: \`nightjar doctor ${name}\` tells what to fix.`;
  return STATE_WORDS[state](name);
}

function mistakeWords([first, ...others]: readonly ConfigMistake[]): string {
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return `${first?.path} (${first?.fix})${more}`;
}
