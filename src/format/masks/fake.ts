import type { Fake } from "./rule.ts";

const CONSONANTS = "bdfghjklmnprstvz";
const VOWELS = "aeio";
const SYLLABLES = Array.from(CONSONANTS).flatMap((consonant) =>
  Array.from(VOWELS).map((vowel) => consonant + vowel),
);

/**
 * Make a text that looks like what it stands for, and is of nobody. Each has at least 60 bits of the digest
 * in it, so that columns with unique values stay so.
 *
 * @param digest 32 bytes
 */
export function fake(what: Fake, digest: Uint8Array): string {
  const syllable = (at: number) => SYLLABLES[digest[at % 32]! & 63]!;
  const word = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) => syllable(from + at)).join("");
  const name = (from: number, count: number) => {
    const made = word(from, count);
    return made[0]!.toUpperCase() + made.slice(1);
  };
  const digits = (from: number) =>
    [0, 1, 2, 3, 4, 5].map((at) => String(digest[from + at]! % 10)).join("");
  switch (what) {
    case "email":
      return `${word(0, 5)}.${word(5, 6)}@example.com`;
    case "name":
      return `${name(0, 4)} ${name(4, 7)}`;
    case "phone":
      // No country has the code 999. The blanks keep a column of numbers from making one of it.
      return `+999 ${digits(0)} ${digits(6)} ${digits(12)}`;
    case "address":
      return `${1 + digest[0]!} ${name(1, 6)} Street, ${name(7, 5)}`;
    case "text":
      return `${Array.from({ length: 6 + (digest[0]! & 7) }, (_, at) => (at === 0 ? name(1, 3) : word(at * 3 + 1, 3))).join(" ")}.`;
  }
}
