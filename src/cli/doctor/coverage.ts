import { HOUR, span } from "../../plan/duration.ts";
import { type Finding, good, problem, warning } from "./finding.ts";

/** What Nightjar says of Turso's list, and of what is not protected. */
export interface CoverageFacts {
  readonly organization: string | null;
  readonly listedAt: string | null;
  readonly everySeconds: number | null;
  readonly error: { readonly message: string; readonly hint: string } | null;
  readonly mistakes: readonly { readonly path: string; readonly fix: string }[];
  readonly counts: { readonly found: number; readonly unprotected: number } | null;
  /** What needs somebody, by name: all of it, or the first pages. */
  readonly databases: readonly {
    readonly name: string;
    readonly protected: boolean;
    readonly why: string | null;
  }[];
}

/** Names that one finding has at most. */
const NAMED = 5;

/** Judge whether Turso's list is read, and whether what it has is protected. */
export function judgeCoverage(facts: CoverageFacts, now: number): Finding[] {
  const { organization, counts, databases, mistakes } = facts;
  const found = mistakes.map(({ path, fix }) =>
    problem(
      "turso",
      `${path} ${fix}`,
      "Correct it, and deploy again. Until then nothing is found.",
    ),
  );
  if (organization !== null) found.push(...judgeListing(facts, now));
  const unprotected = databases.filter((one) => !one.protected && one.why !== "misconfigured");
  const excluded = unprotected.filter(({ why }) => why === "excluded");
  const left = unprotected.filter(({ why }) => why !== "excluded");
  if (left.length > 0)
    found.push(
      warning(
        "coverage",
        `${namesOf(left)} ${left.length === 1 ? "is" : "are"} not protected, of ${counts?.found ?? 0} that Turso lists.`,
        "Have `include` and `groups` of TURSO fit them, or name them in DATABASES: nightjar coverage says why of each.",
      ),
    );
  else if (organization !== null)
    found.push(good("coverage", "All that Turso lists is protected, or left out by `exclude`."));
  if (excluded.length > 0)
    found.push(good("coverage", `\`exclude\` of TURSO leaves out ${namesOf(excluded)}.`));
  return found;
}

function judgeListing(
  { organization, listedAt, everySeconds, error }: CoverageFacts,
  now: number,
): Finding[] {
  const found =
    error === null
      ? []
      : [problem("turso", `The list of ${organization} is not read: ${error.message}`, error.hint)];
  const again = "nightjar coverage --refresh reads it now.";
  if (listedAt === null) {
    const never = `The list of ${organization} was never read: nothing of it is backed up.`;
    return [...found, ...(error === null ? [problem("turso", never, again)] : [])];
  }
  const age = now - Date.parse(listedAt);
  const words = `The list of ${organization} was read ${span(age)} ago`;
  if (age > 3 * Math.max((everySeconds ?? 0) * 1000, HOUR / 4))
    return [
      ...found,
      warning("turso", `${words}: databases that were made since are not protected.`, again),
    ];
  return [...found, ...(error === null ? [good("turso", `${words}.`)] : [])];
}

/** Say how many they are, with the first names: `a, b and 3 more`. */
export function namesOf(databases: readonly { readonly name: string }[]): string {
  const names = databases.slice(0, NAMED).map(({ name }) => name);
  const others = databases.length - names.length;
  if (others > 0) return `${names.join(", ")} and ${others} more`;
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
