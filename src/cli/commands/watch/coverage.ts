import { defineCommand } from "citty";
import { bodyOf, type Client, signIn } from "../../client.ts";
import { type CoverageAnswer, coveragePages, type CoverageRow } from "../../pages.ts";
import { CliError, EXIT } from "../../exit.ts";
import { json } from "../../line/args.ts";
import { moment, paint, print, printAside, printJson, STATE_STYLES } from "../../output.ts";

/** Databases that one sees at once. */
const SCREEN = 10;

export default defineCommand({
  meta: {
    name: "coverage",
    description: "Show which databases are not protected, or not fresh, and why",
  },
  args: {
    all: { type: "boolean", description: "Show those that are protected too", default: false },
    refresh: { type: "boolean", description: "Read Turso's list first", default: false },
    check: {
      type: "boolean",
      description:
        "Exit with 1 unless every database is protected and fresh, or left out by exclude: for CI",
      default: false,
    },
    json,
  },
  async run({ args }) {
    const client = signIn();
    if (args.refresh) await refresh(client, args.json);
    const rows: CoverageRow[] = [];
    let first: CoverageAnswer | undefined;
    const counts = new Map<string, number>();
    let failing = 0;
    for await (const page of coveragePages(client, args.all ? undefined : "unprotected")) {
      if (first === undefined && !args.json) showSummary(page);
      first ??= page;
      failing += page.databases.filter(isFailing).length;
      if (args.json) rows.push(...page.databases);
      else for (const row of page.databases) show(row);
      for (const row of page.databases) {
        const [word] = wordOf(row);
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
    if (!args.json) showCounts(counts);
    if (args.json) printJson({ ...first, databases: rows });
    if (args.check) refuse(first!, failing);
  },
});

/** True for what nobody has decided to leave as it is. */
function isFailing({ protected: isProtected, why, state }: CoverageRow): boolean {
  if (why === "gone" || why === "excluded" || why === "configured") return false;
  return !isProtected || state !== "fresh";
}

/** @throws CliError unless all is well, and as far as is known now */
function refuse({ error, mistakes }: CoverageAnswer, failing: number): void {
  const code = "NOT_HEALTHY";
  if (failing > 0) {
    const words = failing === 1 ? "One database is" : `${failing} databases are`;
    const hint = "`nightjar coverage` says why of each, and what to do.";
    throw new CliError(EXIT.failed, `${words} not protected, or not fresh.`, { code, hint });
  }
  if (mistakes.length > 0)
    throw new CliError(EXIT.failed, "The section TURSO is wrong: nothing is found by it.", {
      ...{ code, hint: `${mistakes[0]!.path}: ${mistakes[0]!.fix}` },
    });
  if (error !== null)
    throw new CliError(EXIT.failed, `Turso's list could not be read: ${error.message}`, {
      ...{ code, hint: error.hint },
    });
}

async function refresh(client: Client, isJson: boolean): Promise<void> {
  const { listed, added, replaced, gone } = await bodyOf(client.v1.discovery.$post());
  if (isJson) return;
  printAside(
    `Turso lists ${databasesOf(listed)}: ${added.count} new, ${replaced.count} replaced, ${gone.count} gone.`,
  );
}

const databasesOf = (count: number) => (count === 1 ? "1 database" : `${count} databases`);

function showSummary({ organization, listedAt, error, mistakes, counts }: CoverageAnswer): void {
  const { configured, found, unprotected, gone } = counts!;
  const read = listedAt === null ? "its list was never read" : `read ${moment(listedAt)}`;
  const turso = organization === null ? "" : `; ${found} of ${organization} in Turso (${read})`;
  print(`${configured} in DATABASES${turso}.`);
  const left = gone === 0 ? "" : ` Turso no longer lists ${gone} (--all shows them).`;
  print(
    unprotected === 0
      ? paint("green", "All are protected.")
      : paint("red", `${unprotected} ${unprotected === 1 ? "is" : "are"} not protected.`),
    left,
  );
  for (const { path, fix } of mistakes) print(paint("red", `${path}: ${fix}`));
  if (error !== null) {
    print(paint("red", `Turso's list could not be read: ${error.message} [${error.code}]`));
    print(`  ${error.hint}`);
  }
}

/** How a database is protected, in a word, and how the word looks. */
function wordOf({ protected: isProtected, why, state }: CoverageRow) {
  if (isProtected && state !== null) return [state, STATE_STYLES[state]] as const;
  return why === "gone" ? (["gone", "dim"] as const) : (["not protected", "red"] as const);
}

function show(row: CoverageRow): void {
  const { name, group, words } = row;
  const [word, style] = wordOf(row);
  print();
  print(name, group === null ? "" : ` (${group})`, ": ", paint(style, word));
  print(`  ${words}`);
}

/** Sum up what was shown, where that no longer fits on a screen. */
function showCounts(counts: ReadonlyMap<string, number>): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if (total <= SCREEN) return;
  print();
  print(`${total} shown: ${[...counts].map(([word, count]) => `${count} ${word}`).join(", ")}.`);
}
